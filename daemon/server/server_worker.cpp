// Server's workers: the one that runs, and the spares behind it.
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>
#include <csignal>
#include <fstream>

#include "common/pass_fd.hpp"
#include "common/segment/judgement.hpp"
#include "common/unique_fd.hpp"
#include "daemon/process/worker_process.hpp"
#include "daemon/server/server.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {
namespace {

// Stopped by a signal, or a debugger has it: /proc/PID/status says "T (stopped)", "t (tracing
// stop)", or who traces it. A process that can't be looked at is held by nobody.
bool is_held(int pid) {
  std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("State:")) {
      const auto state = line.find_first_not_of(" \t", 6);
      if (state != line.npos && (line[state] == 'T' || line[state] == 't')) return true;
    } else if (line.starts_with("TracerPid:")) {
      return line.find_first_not_of(" \t0", 10) != line.npos;
    }
  }
  return false;
}

}  // namespace

// What all processes have in common that run the behaviour's code.
LaunchSpec Server::behaviour_spec() {
  LaunchSpec spec{programs_.worker.string(),
                  {"--instance=" + instance_, "--server=" + name(),
                   "--library=" + library_.string()},
                  {{leash_.reading_end(), launch::kLeashFd}}};
  spec.leash_fd = launch::kLeashFd;
  apply(section_.process, programs_.own_oom_score_adj, spec);
  return spec;
}

// Also of one that is down: its file is known.
void Server::list_messages(ReplyTarget asker) {
  if (life_.goal == Goal::kStop)
    asker.sink->deliver(asker.slot, error_value(down_text()));
  else
    message_list_.ask(behaviour_spec(), library_.string(), std::move(asker));
}

// What worker and standby have in common.
LaunchSpec Server::worker_spec() {
  LaunchSpec spec = behaviour_spec();
  spec.inherited.emplace_back(bell_.get(), launch::kBellFd);
  spec.arguments.push_back("--retries=" + std::to_string(section_.most_retries()));
  spec.arguments.push_back("--dedupe-window=" + std::to_string(section_.dedupe_window));
  if (section_.hibernate_after)
    spec.arguments.push_back("--hibernate-after=" +
                             std::to_string(section_.hibernate_after->count()));
  const BusyPollLimits& poll = poll_limits();
  spec.arguments.push_back("--busy-poll=" + std::to_string(poll.ns));
  if (!poll.adapts) spec.arguments.emplace_back("--always-poll");
  if (section_.core_dump == config::CoreDump::kWithState)
    spec.arguments.emplace_back("--core-dump-with-state");
  if (section_.state.named) spec.arguments.emplace_back("--named");
  for (const std::string& value : section_.state.values)
    spec.arguments.push_back("--argument=" + value);
  return spec;
}

void Server::launch_worker() {
  ++incarnation_;
  at_launch_ = progress();
  if (watchdog_) watchdog_->forget();
  rings_->segment().control().worker.stop_mode.store(segment::StopMode::kTerminate,
                                                     std::memory_order_release);
  show_suspension();
  const bool is_upgrade = life_.upgrade == UpgradeStage::kStarting;
  const auto on_exit = [this, incarnation = incarnation_](int status) {
    on_worker_exit(incarnation, status);
  };
  // A standby has the code of before.
  if (!is_upgrade) worker_ = standbys_.activate(incarnation_, on_exit, line_);
  was_standby_ = worker_ != nullptr;
  if (!worker_) {
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
      return launch_failed(EventType::kWorkerLaunchFailed,
                           system_failure("no socket pair for its worker", errno));
    line_.reset(pair[0]);
    const UniqueFd theirs{pair[1]};
    LaunchSpec spec = worker_spec();
    spec.inherited.emplace_back(theirs.get(), launch::kLineFd);
    spec.arguments.push_back("--incarnation=" + std::to_string(incarnation_));
    if (is_upgrade) spec.arguments.emplace_back("--upgrade");
    auto ends = OutputLog::make_ends(spec);
    if (!ends) return launch_failed(EventType::kWorkerLaunchFailed, ends.error());
    auto child = Child::launch(loop_, spec, on_exit);
    if (!child) return launch_failed(EventType::kWorkerLaunchFailed, child.error());
    worker_ = *std::move(child);
    output_.watch(worker_->pid(), incarnation_, *std::move(ends));
  } else {
    output_.became(worker_->pid(), incarnation_);
  }
  channels_.set_worker(line_.get());
  spdlog::debug("server {}: worker {} {}, incarnation {}", name(), worker_->pid(),
                was_standby_ ? "activated" : "started", incarnation_);
  ++traffic_.starts;
  if (debug_.on()) debug_.happened("starts incarnation " + std::to_string(incarnation_));
  if (section_.init_timeout && !is_upgrade)  // which has a time of its own
    after(worker_timer_, *section_.init_timeout, EventType::kWorkerTimeout);
}

void Server::on_worker_ready() {
  if (life_.goal == Goal::kRun) disarm(worker_timer_);  // of init
  if (was_standby_) standbys_.succeeded();
  ready_since_ = std::chrono::steady_clock::now();
  happen({EventType::kWorkerReady});
  show_worker_to_keeper();
  watch_.look();
}

// So that the keeper can end it if both outlive this process. Nothing depends on it before that.
void Server::show_worker_to_keeper() {
  if (!worker_ || !control_.is_open()) return;
  launch::ToKeeper request{};
  request.request = launch::Request::kWorker;
  [[maybe_unused]] const ssize_t sent =
      send_with_fd(control_.native_handle(), &request, sizeof request, worker_->pidfd(),
                   MSG_DONTWAIT);
}

// --- The watchdog --------------------------------------------------------------------------------

void Server::watch_callbacks() {
  if (!watchdog_) return;
  watchdog_timer_.expires_after(watchdog_->period());
  watchdog_timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    look_at_callback();
    watch_callbacks();
  });
}

// init, handle_start, code_change and terminate have times of their own.
void Server::look_at_callback() {
  if (!worker_ || !rings_ || life_.worker != WorkerStage::kReady || life_.ending_worker) return;
  const segment::Control& control = rings_->segment().control();
  // A wild write would keep the worker from its messages, in no callback.
  if (control.mailbox.suspension.load(std::memory_order_relaxed) != suspension_.number)
    show_suspension();
  Watchdog::Seen seen;
  seen.sequence = control.in_flight.sequence.load(std::memory_order_acquire);
  seen.started_at = control.in_flight.started_at;
  const segment::Channel channel = control.in_flight.channel;
  seen.in_callback =
      seen.sequence == control.committed.load(std::memory_order_acquire) + 1 &&
      segment::is_judged(channel);
  // While it is suspended only a system message counts.
  const bool is_suspended = suspension_.is_wanted() && channel != segment::Channel::kSystem;
  seen.is_held = seen.in_callback && (is_suspended || is_held(worker_->pid()));
  switch (watchdog_->look(seen, std::chrono::steady_clock::now())) {
    case Watchdog::Verdict::kFine: return;
    case Watchdog::Verdict::kAbort:
      spdlog::warn("server {}: worker {} is in a callback for more than {} ms; ending it", name(),
                   worker_->pid(), watchdog_->limit().count());
      return worker_->signal(SIGABRT);
    case Watchdog::Verdict::kKill: return worker_->signal(SIGKILL);
  }
}

bool Server::signal(Role role, int number) {
  if (role == Role::kStandby) return standbys_.signal(number);
  const auto& child = role == Role::kKeeper ? keeper_ : worker_;
  if (!child) return false;
  child->signal(number);
  return true;
}

}  // namespace peeper::daemon
