#include "daemon/server/server.hpp"

#include <sched.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>

#include <csignal>

#include "common/check.hpp"
#include "common/clock.hpp"
#include "common/segment/judgement.hpp"
#include "common/server_channels.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

constexpr auto kRetryPause = 200ms;

UniqueFd make_bell() {
  UniqueFd bell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  PEEPER_CHECK(static_cast<bool>(bell), "no eventfd for a server's bell");
  return bell;
}

int usable_processors() {
  cpu_set_t set;
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

}  // namespace

Server::Server(asio::io_context& loop, const Programs& programs, std::string instance,
               config::ServerSection section, std::filesystem::path library, Exchange& exchange,
               Sockets& sockets, Lookout& lookout, Supervision& supervision)
    : Awaited(on_processors(section.busy_poll, usable_processors())),
      loop_(loop),
      programs_(programs),
      instance_(std::move(instance)),
      section_(std::move(section)),
      behaviour_(section_.behaviour),
      library_(std::move(library)),
      life_({.restart = section_.restart,
             .supervisor = {section_.strategy, section_.max_restarts, section_.max_seconds,
                            section_.auto_shutdown},
             .retry = section_.retry_delay,
             .asks = false,
             .may_begin_anew = section_.does(config::LoopStep::kInit)}),
      control_(loop),
      listeners_(section_.listener.empty()
                     ? nullptr
                     : std::make_unique<KeeperListeners>(loop, sockets, section_,
                                                         programs_.behaviours)),
      bell_(make_bell()),
      keeper_timer_(loop),
      worker_timer_(loop),
      retry_timer_(loop),
      comeback_timer_(loop),
      upgrade_timer_(loop),
      watchdog_timer_(loop),
      call_timer_(loop),
      state_timer_(loop),
      listeners_timer_(loop),
      exchange_(exchange),
      sockets_(sockets),
      lookout_(lookout),
      channels_(section_.name),
      output_(loop, sockets, section_.name,
              [this](const OutputLine& line) { exchange_.show({name(), &line, line.dropped}); }),
      standbys_(loop, section_.name, section_.standby, output_, [this] { return worker_spec(); }),
      debug_(section_.name, section_.debug,
             [](std::string_view line) { spdlog::info("{}", line); },
             [this](std::string_view value) { exchange_.tell(trace_channel(name()), value); }),
      inspector_(loop),
      message_list_(loop, section_.name),
      watch_(loop, *this, listeners_.get()),
      traffic_(now_ns()),
      supervision_(supervision) {
  if (section_.callback_timeout) watchdog_.emplace(*section_.callback_timeout);
  if (listeners_) listeners_->when_ready([this] {
    watch_.look();
    if (keeper_lingers_ && !watch_.owes_listeners()) stop_keeper();
  });
  prepare_crash_exec();
}

// The bell is closed before the base would leave.
Server::~Server() { leave(); }

void Server::start() {
  owes_started_ = true;
  disarm(comeback_timer_);
  if (!std::exchange(is_watching_, true)) {
    join(sockets_, bell_.get());
    PEEPER_CHECK(ask_for(Sockets::kReadable | Sockets::kEachTime),
                 "a server's bell can't be watched");
    watch_callbacks();
  }
  const bool was_held = life_.goal == Goal::kHold;
  const bool was_stopped = life_.down_reason == DownReason::kTerminated ||
                           life_.down_reason == DownReason::kGroupEnded;
  if (listeners_ && was_stopped) listeners_->start_over();
  happen({was_held ? EventType::kRelease : EventType::kStart});
  // Otherwise once the segment is attached and recovered.
  if (rings_) settle_start();
}

void Server::hold() {
  happen({EventType::kHold});
  // One that is down has nothing to hold.
  if (life_.goal != Goal::kHold) supervision_.on_held(*this);
}

void Server::stop(StopReason reason) {
  owes_stopped_ = true;
  disarm(comeback_timer_);
  if (reason == StopReason::kDaemonEnds) return happen({EventType::kStop});
  happen({.type = EventType::kTerminate, .with_group = reason == StopReason::kGroupEnded});
}

void Server::retire() {
  for (asio::steady_timer* timer :
       {&keeper_timer_, &worker_timer_, &retry_timer_, &comeback_timer_, &upgrade_timer_,
        &watchdog_timer_, &call_timer_, &listeners_timer_})
    timer->cancel();
  fail_questions();
  message_list_.fail(error_value(down_text()));
  watch_.end();
  leave();
  courier_.reset();
}

void Server::happen(Event event) {
  for (const Action action : on_event(life_, event, std::chrono::steady_clock::now())) act(action);
  standbys_.tend(standby_wish(life_));
  if (accepts_messages()) channels_.show(segment::ClientState::kOpen);
}

void Server::act(Action action) {
  switch (action) {
    case Action::kLaunchKeeper: return launch_keeper();
    case Action::kLaunchWorker: return launch_worker();
    case Action::kAskRecovery:
      after(keeper_timer_, kKeeperPatience, EventType::kKeeperTimeout);
      last_death_.request = launch::Request::kRecover;
      last_death_.retries = section_.most_retries();
      last_death_.begin_anew = life_.begins_anew ? 1 : 0;
      if (life_.begins_anew)
        spdlog::error("server {}: workers keep dying with nothing handled in between; its state is "
                      "given up and init begins anew, as on_crash_loop says",
                      name());
      if (last_death_.observed == static_cast<std::uint32_t>(segment::Observed::kNobodySaw)) {
        last_death_.is_crash = 1;  // if there was one, which the segment knows
        if (last_death_.at_ns == 0) last_death_.at_ns = wall_clock_ns();
      }
      return tell_keeper(last_death_);
    case Action::kHandOver: return hand_over();
    case Action::kLaunchUpgraded: return launch_upgraded();
    case Action::kUpgraded:
    case Action::kUpgradeUndone:
    case Action::kUpgradeKept: return end_upgrade(action);
    case Action::kStopWorker:
      if (!worker_) return;  // its failed launch is about to be told
      if (life_.goal == Goal::kHold)
        spdlog::info("server {}: restarted with its siblings", name());
      if (rings_)
        rings_->segment().control().worker.stop_mode.store(segment::StopMode::kTerminate,
                                                           std::memory_order_release);
      switch (section_.shutdown.kind) {
        case config::Shutdown::Kind::kBrutalKill: worker_->signal(SIGKILL); return;
        case config::Shutdown::Kind::kTimeout:
          after(worker_timer_, section_.shutdown.timeout, EventType::kWorkerTimeout);
          break;
        case config::Shutdown::Kind::kInfinity: disarm(worker_timer_); break;
      }
      worker_->signal(SIGTERM);
      worker_->signal(SIGCONT);  // a stopped one must hear it
      return;
    case Action::kKillWorker:
      if (worker_) worker_->signal(SIGKILL);
      return;
    case Action::kStopKeeper:
      if (!watch_.owes_listeners()) return stop_keeper();
      keeper_lingers_ = true;
      listeners_timer_.expires_after(kListenersGrace);
      listeners_timer_.async_wait([this](boost::system::error_code error) {
        if (!error && keeper_lingers_) stop_keeper();
      });
      return;
    case Action::kKillKeeper:
      spdlog::error("server {}: its keeper does not answer; killing it", name());
      if (keeper_) keeper_->signal(SIGKILL);
      return;
    case Action::kWaitForRetry: return after(retry_timer_, kRetryPause, EventType::kRetry);
    case Action::kAskSupervision: return supervision_.on_crashed(*this);
    case Action::kAnnounceHeld: return supervision_.on_held(*this);
    case Action::kAnnounceBack:
      spdlog::info("server {} is back", name());
      return supervision_.on_back(*this);
    case Action::kWaitForComeback:
      spdlog::info("server {}: it is tried again in {} ms", name(), life_.comeback_delay.count());
      return after(comeback_timer_, life_.comeback_delay, EventType::kComeBack);
    case Action::kAnnounceDown: return announce_down();
    case Action::kAnnounceStopped: return announce_stopped();
  }
}

void Server::after(asio::steady_timer& timer, std::chrono::milliseconds delay, EventType event) {
  timer.expires_after(delay);
  timer.async_wait([this, &timer, event](boost::system::error_code error) {
    // One that was due already when it was set anew or disarmed has no error.
    if (!error && timer.expiry() <= std::chrono::steady_clock::now()) happen({event});
  });
}

void Server::disarm(asio::steady_timer& timer) { timer.expires_at(Instant::max()); }

// --- Ends ----------------------------------------------------------------------------------------

void Server::settle_start() {
  if (std::exchange(owes_started_, false)) supervision_.on_started(*this);
}

void Server::tell_stopped() {
  if (std::exchange(owes_stopped_, false)) supervision_.on_stopped(*this);
}

void Server::announce_down() {
  disarm(worker_timer_);
  drain_to_the_end();
  const bool is_ordered = life_.down_reason == DownReason::kTerminated ||
                          life_.down_reason == DownReason::kGroupEnded;
  if (is_ordered)
    spdlog::info("server {} is stopped", name());
  else
    spdlog::error("server {} is down: {}", name(), down_text());
  if (section_.when_down == config::WhenDown::kReject) {
    fail_calls(down_text() + "; what its mailbox holds is handled when it is back");
    channels_.show(segment::ClientState::kDown);
  }
  offer_room();
  settle_start();
  if (is_ordered) {
    standbys_.end_all();
    return standbys_.when_gone([this] { tell_stopped(); });
  }
  if (life_.down_reason != DownReason::kEnded && life_.down_reason != DownReason::kShutDown)
    return supervision_.on_down(*this);
  supervision_.on_ended(*this, ended_normally_ ? Exit::kNormal : Exit::kCrash);
}

void Server::announce_stopped() {
  disarm(keeper_timer_);
  disarm(worker_timer_);
  disarm(retry_timer_);
  disarm(watchdog_timer_);
  drain_to_the_end();
  fail_calls(down_text());
  fail_questions();
  message_list_.fail(error_value(down_text()));
  watch_.end();
  channels_.show(segment::ClientState::kDown);
  offer_room();
  settle_start();
  standbys_.end_all();
  standbys_.when_gone([this] { tell_stopped(); });
}

std::string Server::down_text() const {
  const std::string text = "DOWN " + name() + ": ";
  const std::string start_it = "; to start it: peeper start " + name();
  if (life_.goal == Goal::kStop) return text + "peeperd is stopping";
  switch (life_.down_reason) {
    case DownReason::kNone: return text + "it is starting";
    case DownReason::kIntensity:
      return text + "more than " + std::to_string(section_.max_restarts) + " restarts in " +
             std::to_string(section_.max_seconds.count()) + " s, last: " +
             (last_crash_.empty() ? failure_ : last_crash_) + ". Its state is kept" + start_it;
    case DownReason::kRefused:
    case DownReason::kKeeperFailed: return text + failure_;
    case DownReason::kEnded:
    case DownReason::kShutDown:
      return text + "its worker has ended and is not to be restarted; its state is kept" +
             start_it;
    case DownReason::kTerminated: return text + "it was stopped; its state is kept" + start_it;
    case DownReason::kGroupEnded:
      return text + "its group has ended; its state is kept; to start it: peeper start " +
             section_.group;
  }
  return text;
}

std::string Server::too_big_text() const {
  return "TOOBIG " + name() + ": a message may fill at most half of its mailbox of " +
         std::to_string(rings_ ? rings_->segment().mailbox().bytes() : section_.mailbox_bytes) +
         " bytes; raise 'mailbox'";
}

Server::Facts Server::facts() {
  Facts facts{};
  facts.keeper_pid = keeper_ ? keeper_->pid() : 0;
  facts.worker_pid = worker_ ? worker_->pid() : 0;
  facts.standby_pid = standbys_.first_pid();
  facts.observer_pid = watch_.observer_pid();
  facts.incarnation = incarnation_;
  facts.crashes = crashes_;
  facts.calls = calls_.size();
  facts.channels = channels_.count();
  facts.last_crash = last_crash_;
  if (ready_since_)
    facts.uptime = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - *ready_since_);
  const Recent::Figures recent = traffic_.recent.look(now_ns());
  facts.calls_per_second = recent.per_second;
  facts.p99_ns = recent.p99_ns;
  if (rings_) {
    const segment::Control& control = rings_->segment().control();
    facts.mailbox = rings_->queued();
    facts.skipped = control.mailbox.skipped.load(std::memory_order_relaxed);
    facts.outgoing = courier_->waiting();
    facts.dropped = courier_->dropped();
    facts.letters = segment::count_letters(rings_->segment());
    facts.lost = rings_->segment().control().letters.lost.load(std::memory_order_relaxed);
    facts.sequence = control.committed.load(std::memory_order_acquire);
    facts.in_message =
        control.in_flight.sequence.load(std::memory_order_acquire) == facts.sequence + 1 &&
        (control.in_flight.channel == segment::Channel::kMailbox ||
         control.in_flight.channel == segment::Channel::kSystem ||
         control.in_flight.channel == segment::Channel::kClient);
    const segment::WorkerStatus& worker = control.worker;
    facts.heap_reserved = worker.heap_reserved.load(std::memory_order_relaxed);
    facts.heap_used = worker.heap_used.load(std::memory_order_relaxed);
    facts.heap_high_water = worker.heap_high_water.load(std::memory_order_relaxed);
    facts.journal_faults = worker.faults.load(std::memory_order_relaxed);
    facts.journal_copies = worker.copies.load(std::memory_order_relaxed);
    facts.hot_pages = worker.hot_pages.load(std::memory_order_relaxed);
    facts.break_even = worker.break_even.load(std::memory_order_relaxed);
    const Moment moment = state_moment();
    facts.state_writes = moment.writes;
    facts.state_changes = moment.changes;
    facts.commits_timed = control.counts.commits_timed.load(std::memory_order_relaxed);
    facts.commit_ns = control.counts.commit_ns.load(std::memory_order_relaxed);
  }
  if (life_.is_down()) {
    const Instant now = std::chrono::steady_clock::now();
    const Instant comes_back = comeback_timer_.expiry();
    if (comes_back > now && comes_back != Instant::max())
      facts.comes_back_in =
          std::chrono::duration_cast<std::chrono::milliseconds>(comes_back - now);
  }
  switch (life_.goal) {
    case Goal::kDown: facts.state = "down"; break;
    case Goal::kStop: facts.state = "stopping"; break;
    case Goal::kHold: facts.state = "restarting"; break;
    case Goal::kRun:
      if (life_.coming_back) {
        facts.state = "down";
        break;
      }
      if (life_.upgrade != UpgradeStage::kNone && life_.upgrade != UpgradeStage::kWaiting) {
        facts.state = "upgrading";
        break;
      }
      switch (life_.worker) {
        case WorkerStage::kReady: facts.state = is_suspended() ? "suspended" : "running"; break;
        case WorkerStage::kStarting: facts.state = "starting"; break;
        case WorkerStage::kNone:
          facts.state = life_.keeper == KeeperStage::kRecovering ? "recovering" : "starting";
      }
  }
  return facts;
}

}  // namespace peeper::daemon
