#include "common/client/exchange.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <thread>

#include "common/check.hpp"

namespace peeper::client_detail {
namespace {

// Commands are sent so many bytes at a time.
constexpr std::size_t kChunkBytes = 64 * limits::KiB;
constexpr std::size_t kChunkCommands = 1024;

}  // namespace

Exchange::Exchange(ClientOptions options)
    : options_(std::move(options)), backoff_(options_.first_pause, options_.longest_pause) {}

Result<void> Exchange::connect(Milliseconds timeout) {
  if (connection_) return {};
  const Clock::time_point deadline = after(Clock::now(), timeout);
  Result<Connection> connected = Connection::connect(options_.socket, timeout);
  if (!connected) return connected.error();
  const Result<resp::Reply> hello = connected->hello(3, left_until(deadline, Clock::now()));
  if (!hello) return hello.error();
  if (hello->is_error()) return refused(*hello);
  connection_ = std::move(*connected);
  return {};
}

Result<void> Exchange::add(Command command) {
  if (commands_.size() >= limits::kClientUnanswered) return too_many_unanswered();
  if (command.is_message() && command.token().empty() && options_.tokens == Tokens::kMade) {
    command.set_token(tokens_.next());
  }
  const Clock::time_point deadline = after(Clock::now(), patience(command, options_));
  unsent_bytes_ += command.bytes();
  commands_.push_back({std::move(command), deadline, State::kUnsent, false, {}});
  return {};
}

void Exchange::flush() {
  if (!connection_ || commands_.empty()) return;
  const Result<void> sent = send_unsent(commands_.back().deadline);
  // Replies may still be in the buffer of a connection that was lost: next() sees to those.
  if (!sent && !connection_->is_open()) lose(sent.error());
}

Result<resp::Reply> Exchange::next() {
  PEEPER_CHECK(!commands_.empty(), "a reply is asked for where no command was given");
  while (true) {
    Pending& oldest = commands_.front();
    if (oldest.state == State::kFailed) return finish(oldest.failure);
    Result<resp::Reply> reply = try_oldest();
    if (reply) {
      backoff_.reset();
      return finish(std::move(reply));
    }
    const Failure failure = reply.error();
    if (is_loss(failure)) {
      lose(failure);
      if (oldest.state != State::kFailed && !pause()) {
        return finish(gave_up(failure, patience(oldest.command, options_), fate(oldest)));
      }
      continue;
    }
    const bool is_late = failure.system_error == ETIMEDOUT;
    const Carried carried = fate(oldest);
    if (connection_ && connection_->is_open() && oldest.state == State::kSent) {
      connection_->expect_late_reply();
    }
    const Milliseconds waited = patience(oldest.command, options_);
    Result<resp::Reply> result = finish(is_late ? no_answer(waited, carried) : failure);
    if (connection_ && !connection_->is_open()) lose(failure);
    return result;
  }
}

Result<resp::Reply> Exchange::try_oldest() {
  const Clock::time_point deadline = commands_.front().deadline;
  if (const auto connected = connect(left_until(deadline, Clock::now())); !connected) {
    return connected.error();
  }
  const Result<void> sent = send_unsent(deadline);
  if (!sent && !is_loss(sent.error())) return sent.error();
  // Also where sending failed: what was answered before counts, and a reason may have been given.
  while (true) {
    Result<resp::Reply> reply = connection_->receive(left_until(deadline, Clock::now()));
    if (!reply || reply->type != resp::Reply::Type::kPush) return reply;
  }
}

Result<void> Exchange::send_unsent(Clock::time_point deadline) {
  while (handled_ < commands_.size()) {
    if (const auto sent = send_chunk(deadline); !sent) return sent;
  }
  unsent_bytes_ = 0;
  return {};
}

Result<void> Exchange::send_chunk(Clock::time_point deadline) {
  std::string bytes;
  std::array<std::size_t, kChunkCommands> ends{};  // in `bytes`; 0: not among them
  const std::size_t begin = handled_;
  const Clock::time_point now = Clock::now();
  std::size_t count = 0;
  for (; count < kChunkCommands && begin + count < commands_.size(); ++count) {
    if (bytes.size() >= kChunkBytes) break;
    Pending& pending = commands_[begin + count];
    if (pending.state == State::kFailed) continue;
    const Milliseconds left = left_until(pending.deadline, now);
    pending.command.append_to(bytes, server_time(pending.command, options_, left));
    ends[count] = bytes.size();
  }
  const std::uint64_t sent_before = connection_->bytes_sent();
  const Result<void> result = connection_->send_raw(bytes, left_until(deadline, now));
  const std::uint64_t sent_bytes = connection_->bytes_sent() - sent_before;
  for (std::size_t i = 0; i < count; ++i) {
    Pending& pending = commands_[begin + i];
    // Without its last byte a command is none.
    if (ends[i] > sent_bytes) return result;
    if (ends[i] > 0) {
      pending.state = State::kSent;
      pending.ever_sent = true;
    }
    ++handled_;
  }
  return result;
}

Result<resp::Reply> Exchange::finish(Result<resp::Reply> result) {
  commands_.pop_front();
  if (handled_ > 0) --handled_;
  if (commands_.empty()) unsent_bytes_ = 0;
  return result;
}

void Exchange::lose(const Failure& why) {
  connection_.reset();
  for (std::size_t i = 0; i < handled_; ++i) {
    Pending& pending = commands_[i];
    if (pending.state != State::kSent) continue;
    if (pending.command.is_repeatable()) {
      pending.state = State::kUnsent;
    } else {
      pending.state = State::kFailed;
      pending.failure = lost_without_token(why);
    }
  }
  handled_ = 0;
}

bool Exchange::pause() {
  const Clock::time_point now = Clock::now();
  const Clock::time_point until = after(now, backoff_.next(random_number()));
  if (until >= commands_.front().deadline) return false;
  std::this_thread::sleep_until(until);
  return true;
}

Carried Exchange::fate(const Pending& pending) const {
  return pending.ever_sent ? Carried::kMaybe : Carried::kNot;
}

void Exchange::forget() {
  const auto was_sent = [](const Pending& pending) { return pending.state == State::kSent; };
  if (std::any_of(commands_.begin(), commands_.end(), was_sent)) connection_.reset();
  commands_.clear();
  handled_ = 0;
  unsent_bytes_ = 0;
}

}  // namespace peeper::client_detail
