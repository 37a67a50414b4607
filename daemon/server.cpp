#include "daemon/server.hpp"

#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <csignal>

#include "common/check.hpp"
#include "common/segment/judgement.hpp"
#include "common/unique_fd.hpp"

namespace peeper::daemon {
namespace {

using namespace std::chrono_literals;
namespace asio = boost::asio;

// A keeper that owes an answer longer than this hangs: it waits at most 5 s for anything itself.
constexpr auto kKeeperPatience = 15s;
constexpr auto kRetryPause = 200ms;

std::string text_of(const launch::ToDaemon& packet) {
  return {packet.text, std::min<std::size_t>(packet.text_bytes, sizeof packet.text)};
}

int make_bell() {
  const int fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  PEEPER_CHECK(fd >= 0, "no eventfd for a server's bell");
  return fd;
}

}  // namespace

Server::Server(asio::io_context& loop, const Programs& programs, std::string instance,
               config::ServerSection section, std::filesystem::path library, Exchange& exchange,
               Supervision& supervision)
    : loop_(loop),
      programs_(programs),
      instance_(std::move(instance)),
      section_(std::move(section)),
      behaviour_(section_.behaviour),
      library_(std::move(library)),
      life_({.restart = section_.restart,
             .supervisor = {section_.strategy, section_.max_restarts, section_.max_seconds,
                            section_.auto_shutdown},
             .retry = section_.retry_delay,
             .asks = false}),
      control_(loop),
      bell_(loop, make_bell()),
      keeper_timer_(loop),
      worker_timer_(loop),
      retry_timer_(loop),
      comeback_timer_(loop),
      upgrade_timer_(loop),
      watchdog_timer_(loop),
      call_timer_(loop),
      exchange_(exchange),
      standbys_(loop, section_.name, section_.standby, [this] { return worker_spec(); }),
      debug_(section_.name, section_.debug,
             [](std::string_view line) { spdlog::info("{}", line); }),
      supervision_(supervision) {
  if (section_.callback_timeout) watchdog_.emplace(*section_.callback_timeout);
}

Server::~Server() = default;

void Server::start() {
  owes_started_ = true;
  disarm(comeback_timer_);
  if (!std::exchange(is_watching_, true)) {
    watch_bell();
    watch_callbacks();
  }
  const bool was_held = life_.goal == Goal::kHold;
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
        &watchdog_timer_, &call_timer_})
    timer->cancel();
  boost::system::error_code ignored;
  bell_.cancel(ignored);
  courier_.reset();
}

void Server::happen(Event event) {
  for (const Action action : on_event(life_, event, std::chrono::steady_clock::now())) act(action);
  standbys_.tend(standby_wish(life_));
}

void Server::act(Action action) {
  switch (action) {
    case Action::kLaunchKeeper: return launch_keeper();
    case Action::kLaunchWorker: return launch_worker();
    case Action::kAskRecovery:
      after(keeper_timer_, kKeeperPatience, EventType::kKeeperTimeout);
      last_death_.request = launch::Request::kRecover;
      last_death_.retries = section_.most_retries();
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
      after(keeper_timer_, kKeeperPatience, EventType::kKeeperTimeout);
      return tell_keeper({launch::Request::kStop, 0, 0, 0, 0, 0});
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

// --- Keeper --------------------------------------------------------------------------------------

void Server::launch_failed(EventType event, const Failure& failure) {
  spdlog::error("server {}: {}", name(), failure.what);
  failure_ = failure.what;
  if (upgrade_) upgrade_->cause = failure.what;
  asio::post(loop_, [this, event] { happen({event}); });
}

void Server::launch_keeper() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
    return launch_failed(EventType::kKeeperLaunchFailed,
                         system_failure("no socket pair for its keeper", errno));
  const UniqueFd theirs{pair[1]};
  boost::system::error_code error;
  control_.close(error);
  control_.assign(asio::generic::seq_packet_protocol{AF_UNIX, 0}, pair[0], error);
  PEEPER_CHECK(!error, "a fresh socket pair can't be watched");

  LaunchSpec spec{programs_.keeper.string(),
                  {"--instance=" + instance_, "--server=" + name(),
                   "--behaviour=" + section_.behaviour,
                   "--state-bytes=" + std::to_string(section_.state_bytes),
                   "--mailbox-bytes=" + std::to_string(section_.mailbox_bytes)},
                  {{theirs.get(), launch::kControlFd}}};
  auto child = Child::launch(loop_, spec, [this](int status) { on_keeper_exit(status); });
  if (!child) return launch_failed(EventType::kKeeperLaunchFailed, child.error());
  keeper_ = *std::move(child);
  spdlog::debug("server {}: keeper {} started", name(), keeper_->pid());
  after(keeper_timer_, kKeeperPatience, EventType::kKeeperTimeout);
  receive_from_keeper();
}

void Server::receive_from_keeper() {
  control_.async_receive(asio::buffer(&packet_, sizeof packet_), packet_flags_,
                         [this](boost::system::error_code error, std::size_t bytes) {
                           if (error || bytes == 0) return;  // its exit follows
                           if (bytes == sizeof packet_) on_keeper_packet(packet_);
                           receive_from_keeper();
                         });
}

void Server::on_keeper_packet(const launch::ToDaemon& packet) {
  disarm(keeper_timer_);
  switch (packet.event) {
    case launch::Event::kAttached:
      show_worker_to_keeper();
      return happen({EventType::kKeeperAttached});
    case launch::Event::kRecovered: return on_recovered(packet);
    case launch::Event::kFailed:
      failure_ = text_of(packet);
      spdlog::error("server {}: {}", name(), failure_);
      return happen({EventType::kKeeperFailed});
  }
}

void Server::on_recovered(const launch::ToDaemon& packet) {
  const std::string cause = text_of(packet);
  const std::string message{packet.message, ::strnlen(packet.message, sizeof packet.message)};
  const auto verdict = static_cast<segment::Verdict>(packet.verdict);
  if (last_end_was_normal_) {
    spdlog::info("server {}: worker {} ended in order; state of sequence {} kept", name(),
                 last_death_.incarnation, packet.sequence);
  } else if (last_death_.observed != 0) {
    last_crash_ = cause;
    if (verdict == segment::Verdict::kDrop) last_crash_ += " in '" + message + "'";
    spdlog::warn("server {}: worker {} died: {}{}; state of sequence {} kept", name(),
                 last_death_.incarnation, last_crash_,
                 verdict == segment::Verdict::kDrop ? "; the message is dropped" : "",
                 packet.sequence);
    if (packet.refused != 0) failure_ = cause;
    if (debug_.on()) debug_.crashed(last_crash_);
  } else if (verdict != segment::Verdict::kNothing) {
    spdlog::warn("server {}: message '{}' was in flight when all processes died; {}", name(),
                 message,
                 verdict == segment::Verdict::kRunAgain ? "it runs again" : "it is dropped");
  }
  if (upgrade_) upgrade_->cause = last_end_was_normal_ ? "its worker ended by itself" : cause;
  last_death_ = {};
  last_end_was_normal_ = false;
  switch (attach_rings()) {
    case Attached::kDone: break;
    case Attached::kNotNow: return forsake_keeper();
    case Attached::kNever:
      keeper_->signal(SIGKILL);
      return happen({EventType::kKeeperFailed});
  }
  drain();
  settle_start();
  happen({EventType::kKeeperRecovered, packet.refused != 0});
}

// The first time, and when someone removed the segment's name and the keeper made a new one. Where
// all is as it was no descriptor is needed, of which there may be none.
Server::Attached Server::attach_rings() {
  struct stat facts {};
  if (rings_ && ::stat(rings_->segment().id().path().c_str(), &facts) == 0 &&
      rings_->segment().inode() == facts.st_ino)
    return Attached::kDone;
  auto segment = segment::Segment::open({instance_, name()}, segment::View::kRings);
  if (!segment) {
    failure_ = segment.error().what;
    spdlog::error("server {}: {}", name(), failure_);
    const int why = segment.error().system_error;
    return why == EMFILE || why == ENFILE || why == ENOMEM ? Attached::kNotNow : Attached::kNever;
  }
  if (segment->header().uid == 0) {
    failure_ = "segment " + segment->id().path() + " has a damaged header; remove it to start over";
    spdlog::error("server {}: {}", name(), failure_);
    return Attached::kNever;
  }
  if (rings_) {
    spdlog::error("server {}: its segment was removed while in use; it begins anew", name());
    fail_calls("DOWN " + name() + ": its segment was removed while in use");
    standbys_.end_all();
  }
  if (const auto kept = segment->keep_to_this_process(); !kept)
    spdlog::warn("server {}: {}", name(), kept.error().what);
  courier_.reset();
  rings_.emplace(*std::move(segment));
  courier_ = std::make_shared<Courier>(loop_, *rings_, *this, exchange_,
                                       [this] { on_damaged_outbox(); });
  // Incarnations are counted over the segment's life, not the daemon's.
  incarnation_ = rings_->segment().control().worker.incarnation.load(std::memory_order_acquire);
  return Attached::kDone;
}

// Another one, which recovers again, after the pause that a failed launch has too. Waits for the
// kernel to end it, which is soon: it sits and listens.
void Server::forsake_keeper() {
  keeper_.reset();
  boost::system::error_code ignored;
  control_.close(ignored);
  happen({EventType::kKeeperLaunchFailed});
}

void Server::tell_keeper(const launch::ToKeeper& request) {
  // A packet always fits an idle socket; a dead keeper's exit is on its way.
  boost::system::error_code ignored;
  control_.send(asio::buffer(&request, sizeof request), 0, ignored);
}

void Server::on_keeper_exit(int wait_status) {
  keeper_.reset();
  disarm(keeper_timer_);
  boost::system::error_code ignored;
  control_.close(ignored);
  if (life_.goal == Goal::kRun && !life_.ending_keeper)
    spdlog::warn("server {}: its keeper ended with status {:#x}; starting another", name(),
                 wait_status);
  happen({EventType::kKeeperDied});
}

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
  if (section_.when_down == config::WhenDown::kReject)
    fail_calls(down_text() + "; what its mailbox holds is handled when it is back");
  offer_room();
  settle_start();
  if (is_ordered) {
    standbys_.end_all();
    return standbys_.when_gone([this] { tell_stopped(); });
  }
  if (life_.down_reason != DownReason::kEnded) return supervision_.on_down(*this);
  supervision_.on_ended(*this, ended_normally_ ? Exit::kNormal : Exit::kCrash);
}

void Server::announce_stopped() {
  disarm(keeper_timer_);
  disarm(worker_timer_);
  disarm(retry_timer_);
  disarm(watchdog_timer_);
  drain_to_the_end();
  fail_calls(down_text());
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
  facts.incarnation = incarnation_;
  facts.crashes = crashes_;
  facts.calls = calls_.size();
  facts.last_crash = last_crash_;
  if (rings_) {
    const segment::Control& control = rings_->segment().control();
    facts.mailbox = rings_->queued();
    facts.outgoing = courier_->waiting();
    facts.dropped = courier_->dropped();
    facts.sequence = control.committed.load(std::memory_order_acquire);
    facts.in_message =
        control.in_flight.sequence.load(std::memory_order_acquire) == facts.sequence + 1 &&
        control.in_flight.channel == segment::Channel::kMailbox;
    const segment::WorkerStatus& worker = control.worker;
    facts.heap_reserved = worker.heap_reserved.load(std::memory_order_relaxed);
    facts.heap_used = worker.heap_used.load(std::memory_order_relaxed);
    facts.heap_high_water = worker.heap_high_water.load(std::memory_order_relaxed);
    facts.journal_faults = worker.faults.load(std::memory_order_relaxed);
    facts.journal_copies = worker.copies.load(std::memory_order_relaxed);
    facts.hot_pages = worker.hot_pages.load(std::memory_order_relaxed);
    facts.break_even = worker.break_even.load(std::memory_order_relaxed);
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
