// Server's traffic: messages into the mailbox, replies out of their ring, deadlines.
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <boost/asio/post.hpp>

#include "common/resp/reply.hpp"
#include "daemon/reply_text.hpp"
#include "daemon/server.hpp"

namespace peeper::daemon {
namespace {

namespace asio = boost::asio;

// Replies taken at once before other servers and connections have their turn.
constexpr int kDrainBatch = 1024;

}  // namespace

Server::Sent Server::send(segment::MessageType type, std::span<const std::string_view> strings,
                          ReplyTarget target, Instant deadline) {
  if (life_.goal != Goal::kRun || !rings_) return Sent::kDown;
  const bool wants_reply = target.sink != nullptr;
  const std::uint64_t request = wants_reply ? last_request_ + 1 : 0;
  switch (rings_->push(type, request, strings)) {
    case Rings::Push::kTooBig: return Sent::kTooBig;
    case Rings::Push::kFull: return Sent::kFull;
    case Rings::Push::kDamaged:
      spdlog::error("server {}: its worker overwrote the mailbox's ends; killing it", name());
      happen({EventType::kWorkerMisbehaved});
      return Sent::kFull;
    case Rings::Push::kDone: break;
  }
  if (wants_reply) {
    last_request_ = request;
    calls_.add(request, std::move(target), deadline);
    watch_deadlines();
  }
  return Sent::kDone;
}

Server::Sent Server::send(segment::MessageType type, std::span<const std::string_view> strings) {
  return send(type, strings, {}, {});
}

void Server::wait_for_room(std::weak_ptr<RoomWaiter> waiter) {
  waiting_for_room_.push_back(std::move(waiter));
  if (rings_ && rings_->want_room()) asio::post(loop_, [this] { offer_room(); });
}

// In order: the first that finds no room again stays first.
void Server::offer_room() {
  auto waiting = std::exchange(waiting_for_room_, {});
  while (!waiting.empty() && waiting_for_room_.empty()) {
    const auto waiter = waiting.front().lock();
    waiting.pop_front();
    if (waiter) waiter->room_available();
  }
  waiting_for_room_.insert(waiting_for_room_.end(), waiting.begin(), waiting.end());
}

void Server::watch_bell() {
  bell_.async_wait(asio::posix::stream_descriptor::wait_read,
                   [this](boost::system::error_code error) {
                     if (error) return;
                     std::uint64_t rings = 0;
                     [[maybe_unused]] const ssize_t got =
                         ::read(bell_.native_handle(), &rings, sizeof rings);
                     if (rings_ && life_.worker == WorkerStage::kStarting) {
                       const segment::WorkerStatus& status = rings_->segment().control().worker;
                       if (status.incarnation.load(std::memory_order_acquire) == incarnation_ &&
                           status.phase.load(std::memory_order_acquire) ==
                               segment::Phase::kReady) {
                         if (life_.goal == Goal::kRun) worker_timer_.cancel();  // of init
                         happen({EventType::kWorkerReady});
                       }
                     }
                     drain();
                     watch_bell();
                   });
}

void Server::drain() {
  if (!rings_ || draining_) return;
  while (true) {
    const auto result = rings_->drain(
        kDrainBatch,
        [this](std::uint64_t request, std::string_view value) { deliver(request, value); });
    if (result == Rings::Drain::kMore) {
      draining_ = true;
      asio::post(loop_, [this] {
        draining_ = false;
        drain();
      });
      break;
    }
    if (result == Rings::Drain::kDamaged) {
      spdlog::error("server {}: its worker overwrote the replies; killing it", name());
      happen({EventType::kWorkerMisbehaved});
      break;
    }
    if (rings_->arm()) break;
  }
  if (!waiting_for_room_.empty()) offer_room();
}

void Server::deliver(std::uint64_t request, std::string_view value) {
  auto target = calls_.take(request);
  if (!target) return;  // timed out, or a reply to nothing we asked
  // Copied before it is checked: the worker may still write there.
  std::string copy{value};
  if (!resp::is_one_value(copy)) {
    copy = error_value("ERR server '" + name() + "' wrote a malformed reply");
    spdlog::error("server {}: malformed reply of {} bytes", name(), value.size());
  }
  target->sink->deliver(target->slot, copy);
}

void Server::watch_deadlines() {
  const auto earliest = calls_.earliest();
  if (!earliest || *earliest >= call_timer_at_) return;
  call_timer_at_ = *earliest;
  call_timer_.expires_at(*earliest);
  call_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    call_timer_at_ = Instant::max();
    const std::string value = error_value(
        "TIMEOUT " + name() + ": no reply in time; the message may still be handled");
    const Instant now = std::chrono::steady_clock::now();
    while (auto target = calls_.expire(now)) target->sink->deliver(target->slot, value);
    watch_deadlines();
  });
}

void Server::fail_calls(const std::string& error) {
  const std::string value = error_value(error);
  while (auto target = calls_.take_any()) target->sink->deliver(target->slot, value);
}

}  // namespace peeper::daemon
