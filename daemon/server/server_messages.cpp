// Server's traffic: messages into the mailbox, replies out of their ring, deadlines.
#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>

#include "common/resp/reply.hpp"
#include "daemon/server/server.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {
namespace {

namespace asio = boost::asio;

// Replies taken at once before other servers and connections have their turn.
constexpr int kDrainBatch = 1024;
// A copy that grew beyond this for a large reply is given back after it.
constexpr std::size_t kKeptBytes = 256 * 1024;

}  // namespace

Rings::Push Server::push(const Message& message) {
  const Rings::Push pushed = rings_->push(message);
  settle_soon();
  if (pushed == Rings::Push::kDamaged) {
    spdlog::error("server {}: its worker overwrote the mailbox's ends; killing it", name());
    happen({EventType::kWorkerMisbehaved});
  }
  return pushed;
}

// The worker learns of all messages of a turn at once.
void Server::settle() {
  if (rings_) rings_->wake_worker();
}

// Also by one that starts, recovers or is held: the mailbox is there.
bool Server::accepts_messages() const {
  if (!rings_ || life_.goal == Goal::kStop) return false;
  return !life_.is_down() || section_.when_down == config::WhenDown::kQueue;
}

Server::Sent Server::send(Message message, ReplyTarget target, Instant deadline) {
  if (!accepts_messages()) return Sent::kDown;
  const bool wants_reply = target.sink != nullptr;
  message.request = wants_reply ? last_request_ + 1 : 0;
  if (wants_reply && life_.worker == WorkerStage::kReady) lookout_.expect(*this);
  if (wants_reply && section_.late_calls == config::LateCalls::kSkip)
    message.number = static_cast<std::uint64_t>(
        std::chrono::nanoseconds(deadline.time_since_epoch()).count());
  switch (push(message)) {
    case Rings::Push::kTooBig: return Sent::kTooBig;
    case Rings::Push::kFull:
    case Rings::Push::kDamaged: return Sent::kFull;
    case Rings::Push::kDone: break;
  }
  count_message(message);
  if (wants_reply) {
    last_request_ = message.request;
    calls_.add(message.request, std::move(target), deadline);
    if (deadline < call_timer_at_) watch_deadlines();
  }
  return Sent::kDone;
}

Server::Sent Server::send(const Message& message) { return send(message, {}, {}); }

Result<Channels::Opened> Server::open_channel(std::uint64_t ring_bytes, std::uint32_t pid) {
  if (!accepts_messages()) return Failure{down_text(), 0};
  return channels_.open(ring_bytes, pid);
}

// A server that starts or recovers takes messages as soon as it has a mailbox. One that stops with
// the daemon may have ended already, so its messages wait for the next daemon.
Answer Server::take(const Message& message) {
  if (life_.goal == Goal::kStop) return Answer::kWait;
  if (!accepts_messages()) return life_.is_down() ? Answer::kDown : Answer::kWait;
  switch (push(message)) {
    case Rings::Push::kDone:
      count_message(message);
      if (debug_.on()) {
        const Receiver* sender = exchange_.find(message.stream);
        debug_.message_in(message.type, message.without_token(),
                          sender == nullptr ? "" : "server " + sender->name());
      }
      return Answer::kDelivered;
    case Rings::Push::kTooBig: return Answer::kTooBig;
    case Rings::Push::kFull:
    case Rings::Push::kDamaged: break;
  }
  return Answer::kFull;
}

std::optional<std::uint64_t> Server::uid() const {
  if (!rings_) return std::nullopt;
  return rings_->uid();
}

// A server that isn't to run offers room when that changes, not before.
void Server::wait_for_room(std::weak_ptr<RoomWaiter> waiter) {
  waiting_for_room_.push_back(std::move(waiter));
  if (accepts_messages() && rings_->want_room())
    asio::post(loop_, [this] { offer_room(); });
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

void Server::on_bell() {
  if (rings_ && life_.worker == WorkerStage::kStarting) {
    const segment::WorkerStatus& status = rings_->segment().control().worker;
    if (status.incarnation.load(std::memory_order_acquire) == incarnation_ &&
        status.phase.load(std::memory_order_acquire) == segment::Phase::kReady)
      on_worker_ready();
  }
  look_at_suspension();
  if (const auto wait_status = foretold_end()) {
    output_.catch_up(worker_->pid());
    departed_.push_back({incarnation_, std::move(worker_)});
    return on_worker_end(*wait_status, segment::Observed::kSeen);
  }
  drain();
  watch_.look();
}

bool Server::awaits_replies() const { return calls_.size() != 0; }

bool Server::has_replies() const { return rings_ && rings_->has_replies(); }

void Server::take_replies() {
  switch (drain_batch()) {
    case Rings::Drain::kEmpty: break;
    case Rings::Drain::kMore: return drain();
    case Rings::Drain::kDamaged: return on_damaged_replies();
  }
  if (!waiting_for_room_.empty()) offer_room();
}

void Server::bell_off() {
  if (rings_) rings_->disarm();
}

Rings::Drain Server::drain_batch() {
  const auto result = rings_->drain(
      kDrainBatch,
      [this](std::uint64_t request, std::string_view value) { deliver(request, value); });
  courier_->carry();
  return result;
}

// There is no worker any more: what was committed reaches its callers before the others are told
// that nothing will.
void Server::drain_to_the_end() {
  if (!rings_) return;
  while (drain_batch() == Rings::Drain::kMore) {
  }
}

void Server::drain() {
  if (!rings_ || draining_) return;
  while (true) {
    const auto result = drain_batch();
    if (result == Rings::Drain::kMore) {
      draining_ = true;
      asio::post(loop_, [this] {
        draining_ = false;
        drain();
      });
      break;
    }
    if (result == Rings::Drain::kDamaged) {
      on_damaged_replies();
      break;
    }
    if (rings_->arm()) break;
  }
  if (!waiting_for_room_.empty()) offer_room();
}

void Server::on_damaged_replies() {
  spdlog::error("server {}: its worker overwrote the replies; killing it", name());
  happen({EventType::kWorkerMisbehaved});
}

void Server::on_damaged_outbox() {
  spdlog::error("server {}: its worker overwrote the outbox; killing it", name());
  happen({EventType::kWorkerMisbehaved});
}

void Server::deliver(std::uint64_t request, std::string_view value) {
  note_reply();
  auto target = calls_.take(request);
  const bool is_question = !target;
  if (is_question) target = take_question(request);
  if (!target) return;  // timed out, or a reply to nothing we asked
  // Copied before it is checked: the worker may still write there.
  if (reply_copy_.capacity() > kKeptBytes) reply_copy_ = {};
  std::string& copy = reply_copy_.assign(value);
  if (!resp::is_one_value(copy)) {
    copy = error_value("ERR server '" + name() + "' wrote a malformed reply");
    spdlog::error("server {}: malformed reply of {} bytes", name(), value.size());
  }
  count_answer(*target, copy);
  if (debug_.on() && !is_question)
    debug_.message_out(copy, target->sink->who(), ns_since(*target));
  target->sink->deliver(target->slot, copy);
}

// --- Counting ------------------------------------------------------------------------------------

void Server::count_message(const Message& message) {
  switch (message.type) {
    case segment::MessageType::kCall: ++traffic_.calls; break;
    case segment::MessageType::kCast: ++traffic_.casts; break;
    case segment::MessageType::kInfo: ++traffic_.infos; break;
    case segment::MessageType::kAnswer:
    case segment::MessageType::kGetState:
    case segment::MessageType::kReplaceState: break;
  }
}

// Now, as the turn has it. What sys asks for is no call.
void Server::count_answer(const ReplyTarget& target, std::string_view value) {
  if (target.is_system || target.since == Instant{}) return;
  traffic_.answered(sockets_.clock().ns(), ns_since(target), value);
}

// 0: not known.
std::uint64_t Server::ns_since(const ReplyTarget& target) const {
  if (target.since == Instant{}) return 0;
  const auto since = static_cast<std::uint64_t>(
      std::chrono::nanoseconds(target.since.time_since_epoch()).count());
  const std::uint64_t now = sockets_.clock().ns();
  return now > since ? now - since : 0;
}

// --- Deadlines -----------------------------------------------------------------------------------

void Server::watch_deadlines() {
  const auto earliest = calls_.earliest();
  if (!earliest || *earliest >= call_timer_at_) return;
  call_timer_at_ = *earliest;
  call_timer_.expires_at(*earliest);
  call_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    call_timer_at_ = Instant::max();
    // What is answered is not told that it isn't.
    if (has_replies()) drain();
    const std::string value = error_value(
        "TIMEOUT " + name() + ": no reply in time; the message may still be handled");
    const Instant now = sockets_.clock().read_instant();
    while (auto target = calls_.expire(now)) {
      count_answer(*target, value);
      target->sink->deliver(target->slot, value);
    }
    watch_deadlines();
  });
}

void Server::fail_calls(const std::string& error) {
  const std::string value = error_value(error);
  sockets_.clock().read();
  while (auto target = calls_.take_any()) {
    count_answer(*target, value);
    target->sink->deliver(target->slot, value);
  }
}

}  // namespace peeper::daemon
