// Server's suspension: OTP's sys:suspend and resume.
#include <spdlog/spdlog.h>

#include "common/limits.hpp"
#include "common/segment/futex.hpp"
#include "daemon/server/server.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {

void Server::suspend(ReplyTarget caller) {
  if (!suspension_.is_wanted()) {
    suspension_.change();
    show_suspension();
  } else if (is_suspended()) {
    caller.sink->deliver(caller.slot, status_value("OK"));
    return;
  }
  // Until the worker says that it is. If that is later than its deadline, it is all the same.
  suspension_.askers.push_back(++last_request_);
  calls_.add(last_request_, std::move(caller), std::chrono::steady_clock::now() +
                                                   limits::kCallTimeout);
  watch_deadlines();
}

void Server::resume() {
  if (!suspension_.is_wanted()) return;
  suspension_.change();
  show_suspension();
  answer_suspenders(error_value("ERR " + name() + " was resumed before it was suspended"));
  if (debug_.on()) debug_.happened("is resumed");
}

// Nobody's suspension outlives its worker, as in OTP; but in a code change a worker ends for the
// other's sake.
void Server::forget_suspension() {
  if (upgrade_ || !suspension_.is_wanted()) return;
  suspension_.change();
  answer_suspenders(
      error_value("CRASHED " + name() + ": its worker ended before it was suspended"));
}

// Also to a worker that is only starting: it looks before its first message.
void Server::show_suspension() {
  if (!rings_) return;
  segment::MailboxEnds& ends = rings_->segment().control().mailbox;
  ends.suspension.store(suspension_.number, std::memory_order_release);
  ends.bell.fetch_add(1, std::memory_order_release);
  segment::futex_wake(ends.bell);
}

bool Server::is_suspended() const {
  return suspension_.is_wanted() && rings_ && life_.worker == WorkerStage::kReady &&
         rings_->segment().control().mailbox.suspended.load(std::memory_order_acquire) ==
             suspension_.number;
}

void Server::look_at_suspension() {
  if (suspension_.askers.empty() || !is_suspended()) return;
  if (debug_.on()) debug_.happened("is suspended");
  answer_suspenders(status_value("OK"));
}

void Server::answer_suspenders(const std::string& value) {
  for (const std::uint64_t request : std::exchange(suspension_.askers, {}))
    if (const auto target = calls_.take(request)) target->sink->deliver(target->slot, value);
}

}  // namespace peeper::daemon
