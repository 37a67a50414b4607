// Server's keeper: its launch, what it says, the rings of the segment that it holds.
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <csignal>

#include "common/check.hpp"
#include "common/segment/judgement.hpp"
#include "common/unique_fd.hpp"
#include "daemon/server/server.hpp"

namespace peeper::daemon {
namespace {

namespace asio = boost::asio;

std::string text_of(const launch::ToDaemon& packet) {
  return {packet.text, std::min<std::size_t>(packet.text_bytes, sizeof packet.text)};
}

}  // namespace

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
                  {{theirs.get(), launch::kControlFd},
                   {leash_.writing_end(), launch::kLeashHoldFd}}};
  if (const auto owner = segment_owner())
    spec.arguments.push_back("--owner=" + std::to_string(*owner));
  KeeperListeners::Ends ends;
  if (listeners_) {
    auto prepared = listeners_->prepare(spec);
    if (!prepared) return launch_failed(EventType::kKeeperLaunchFailed, prepared.error());
    ends = *std::move(prepared);
  }
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
  if (packet.event == launch::Event::kListenerFailed) {  // beside what the keeper owes
    if (listeners_) listeners_->failed(packet.sequence, text_of(packet));
    return;
  }
  disarm(keeper_timer_);
  switch (packet.event) {
    case launch::Event::kAttached:
      channels_.set_keeper(control_.native_handle());
      if (listeners_) listeners_->attached();
      show_worker_to_keeper();
      return happen({EventType::kKeeperAttached});
    case launch::Event::kRecovered: return on_recovered(packet);
    case launch::Event::kFailed:
      failure_ = text_of(packet);
      spdlog::error("server {}: {}", name(), failure_);
      return happen({EventType::kKeeperFailed});
    case launch::Event::kListenerFailed: return;  // above
  }
}

// What follows a worker's crash.
std::string_view Server::next_text(bool refused) const {
  switch (life_.goal) {
    case Goal::kRun: return refused ? "it goes down" : "the next worker starts";
    case Goal::kHold: return "it is restarted with its siblings";
    case Goal::kDown: return "it goes down";
    case Goal::kStop: return "peeperd is stopping";
  }
  return "";
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
    // All that matters of a crash, in one line.
    spdlog::warn("server {}: worker {} died: {}{}{}; state of sequence {} kept; {}", name(),
                 last_death_.incarnation, last_crash_,
                 packet.crash == 0 ? "" : "; crash " + std::to_string(packet.crash),
                 verdict == segment::Verdict::kDrop       ? "; the message is dropped"
                 : verdict == segment::Verdict::kRunAgain ? "; '" + message + "' runs again"
                                                          : "",
                 packet.sequence, next_text(packet.refused != 0));
    if (packet.refused != 0) failure_ = cause;
    if (debug_.on()) debug_.crashed(last_crash_);
  } else if (verdict != segment::Verdict::kNothing) {
    spdlog::warn("server {}: message '{}' was in flight when all processes died; {}", name(),
                 message,
                 verdict == segment::Verdict::kRunAgain ? "it runs again" : "it is dropped");
  }
  // One that hands over to other code has not ended.
  const bool has_ended = last_death_.observed != 0 && !(upgrade_ && last_end_was_normal_);
  const std::string end = !last_end_was_normal_        ? last_crash_
                          : life_.goal == Goal::kRun ? "normal"
                                                       : "shutdown";
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
  const std::uint64_t crash = packet.crash;
  take_over_counts();
  if (has_ended) watch_.terminated(end);
  drain();
  settle_start();
  happen({EventType::kKeeperRecovered, packet.refused != 0});
  // The next worker's start comes first.
  count_crash(crash);
  tell_of_crash(crash);
}

// The first time, and when someone removed the segment's name and the keeper made a new one. Where
// all is as it was no descriptor is needed, of which there may be none.
Server::Attached Server::attach_rings() {
  struct stat facts {};
  if (rings_ && ::stat(rings_->segment().id().path().c_str(), &facts) == 0 &&
      rings_->segment().inode() == facts.st_ino)
    return Attached::kDone;
  auto segment = segment::Segment::open({instance_, name(), segment_owner()},
                                        segment::View::kRings);
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
    take_over_counts();
  }
  if (const auto kept = segment->keep_to_this_process(); !kept)
    spdlog::warn("server {}: {}", name(), kept.error().what);
  courier_.reset();
  channels_.close_all();
  rings_.emplace(*std::move(segment));
  channels_.attach(rings_->segment().control());
  courier_ = std::make_shared<Courier>(loop_, *rings_, *this, exchange_,
                                       [this] { on_damaged_outbox(); });
  // Incarnations are counted over the segment's life, not the daemon's.
  incarnation_ = rings_->segment().control().worker.incarnation.load(std::memory_order_acquire);
  watch_.renew();
  return Attached::kDone;
}

// Another one, which recovers again, after the pause that a failed launch has too. Waits for the
// kernel to end it, which is soon: it sits and listens.
void Server::forsake_keeper() {
  keeper_.reset();
  if (listeners_) listeners_->forsaken();
  channels_.set_keeper(-1);
  boost::system::error_code ignored;
  control_.close(ignored);
  happen({EventType::kKeeperLaunchFailed});
}

void Server::tell_keeper(const launch::ToKeeper& request) {
  // A packet always fits an idle socket; a dead keeper's exit is on its way.
  boost::system::error_code ignored;
  control_.send(asio::buffer(&request, sizeof request), 0, ignored);
}

// Its listeners have what they were told; it lets them finish.
void Server::stop_keeper() {
  keeper_lingers_ = false;
  listeners_timer_.cancel();
  after(keeper_timer_, kKeeperPatience, EventType::kKeeperTimeout);
  launch::ToKeeper stop{};
  stop.request = launch::Request::kStop;
  tell_keeper(stop);
}

void Server::on_keeper_exit(int wait_status) {
  keeper_lingers_ = false;
  listeners_timer_.cancel();
  const bool is_ours = keeper_->was_killed();
  keeper_.reset();
  const bool is_listeners =
      listeners_ && listeners_->died(wait_status, is_ours, std::chrono::steady_clock::now());
  channels_.set_keeper(-1);
  disarm(keeper_timer_);
  boost::system::error_code ignored;
  control_.close(ignored);
  if (life_.goal == Goal::kRun && !life_.ending_keeper && !is_listeners)
    spdlog::warn("server {}: its keeper ended with status {:#x}; starting another", name(),
                 wait_status);
  happen({.type = EventType::kKeeperDied, .of_listener = is_listeners});
}

}  // namespace peeper::daemon
