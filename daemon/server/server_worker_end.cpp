// How Server learns that its worker has ended: by its pidfd, or before that by its own word.
#include <sys/wait.h>

#include <algorithm>
#include <csignal>

#include "common/clock.hpp"
#include "common/segment/death.hpp"
#include "daemon/process/oom.hpp"
#include "daemon/server/server.hpp"

namespace peeper::daemon {
namespace {

// As waitpid would tell it, but for whether there is a core. None: it says nothing of an end.
std::optional<int> wait_status_of(const segment::CrashReport& report) {
  switch (report.kind) {
    case segment::CrashKind::kNone: return std::nullopt;
    case segment::CrashKind::kSignal:
      if (report.signal <= 0 || report.signal >= NSIG) return std::nullopt;
      return W_EXITCODE(0, report.signal);
    case segment::CrashKind::kException: return W_EXITCODE(segment::kExitException, 0);
    case segment::CrashKind::kRefused: return W_EXITCODE(segment::kExitRefused, 0);
  }
  return std::nullopt;
}

}  // namespace

// A worker that dies of itself need not be waited for until the kernel has torn down its memory.
// Its record alone is no reason to believe that: a wild write may have made it. But this worker did
// hold its claim, since only then it writes its incarnation down; now that is free, and the one way
// to give it up alive is the crash handler's, after which it can't write.
std::optional<int> Server::foretold_end() const {
  if (!worker_ || !rings_) return std::nullopt;
  const segment::Segment& segment = rings_->segment();
  if (segment.control().worker.incarnation.load(std::memory_order_acquire) != incarnation_)
    return std::nullopt;
  const auto wait_status = wait_status_of(segment::read_crash(segment.crash(), incarnation_));
  if (!wait_status || segment.is_claimed(segment::Role::kWorker)) return std::nullopt;
  return wait_status;
}

void Server::on_worker_exit(std::uint32_t incarnation, int wait_status) {
  const auto departed = std::ranges::find(departed_, incarnation, &Departed::incarnation);
  if (departed != departed_.end()) {
    output_.ended(departed->process->pid());
    departed_.erase(departed);
    return;
  }
  output_.ended(worker_->pid());
  const bool by_the_kernel = WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL &&
                             !worker_->was_killed() &&
                             boost::asio::use_service<OomWatch>(loop_).explains_death();
  worker_.reset();
  on_worker_end(wait_status, by_the_kernel ? segment::Observed::kOom : segment::Observed::kSeen);
}

// exit(0) in a callback is no normal end: only who came to the end of run() says kStopped. And only
// who came to its beginning has overwritten what the last one said.
bool Server::has_stopped() const {
  if (!rings_) return false;
  const segment::WorkerStatus& status = rings_->segment().control().worker;
  return status.incarnation.load(std::memory_order_acquire) == incarnation_ &&
         status.phase.load(std::memory_order_acquire) == segment::Phase::kStopped;
}

Server::Progress Server::progress() const {
  const segment::Control& control = rings_->segment().control();
  const std::uint64_t sequence = control.committed.load(std::memory_order_acquire);
  return {sequence, control.slot[sequence & 1].mailbox_head};
}

// init and handle_start are no progress. One that ran timers only has made some if it is more
// than those two.
bool Server::has_progressed() const {
  if (!rings_) return false;
  const Progress now = progress();
  return now.mailbox_head != at_launch_.mailbox_head || now.sequence > at_launch_.sequence + 2;
}

void Server::on_worker_end(int wait_status, segment::Observed observed) {
  disarm(worker_timer_);
  ready_since_.reset();
  channels_.set_worker(-1);
  line_.reset();
  drain();
  const bool normal = WIFEXITED(wait_status) && WEXITSTATUS(wait_status) == 0 && has_stopped();
  if (!normal) ++crashes_;
  last_end_was_normal_ = normal;
  ended_normally_ = normal;
  const bool hung = watchdog_ && watchdog_->has_struck();
  last_death_ = {
      .request = launch::Request::kRecover,
      .observed = static_cast<std::uint32_t>(hung ? segment::Observed::kHung : observed),
      .wait_status = wait_status,
      .incarnation = incarnation_,
      .retries = 0,  // as configured when the recovery is asked for
      .allowed_ms = hung ? static_cast<std::uint32_t>(std::min<std::int64_t>(
                               watchdog_->limit().count(), UINT32_MAX))
                         : 0,
      .at_ns = wall_clock_ns(),
      .is_crash = normal ? 0U : 1U,
      .begin_anew = 0,
      .client = {}};
  forget_suspension();
  happen({.type = EventType::kWorkerDied,
          .normal = normal,
          .committed = has_new_code_committed(),
          .progressed = has_progressed()});
}

}  // namespace peeper::daemon
