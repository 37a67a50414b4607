#include "daemon/server/standbys.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <utility>

#include "common/launch.hpp"

namespace peeper::daemon {
namespace {

// Long enough for the new worker to answer what waits, short against the time between crashes.
constexpr std::chrono::milliseconds kMoment{10};

}  // namespace

Standbys::Standbys(boost::asio::io_context& loop, std::string server, std::size_t count,
                   OutputLog& output, std::function<LaunchSpec()> spec)
    : loop_(loop),
      server_(std::move(server)),
      count_(count),
      output_(output),
      spec_(std::move(spec)),
      timer_(loop) {}

void Standbys::tend(StandbyWish wish) {
  prepares_ = wish == StandbyWish::kPrepare;
  switch (wish) {
    case StandbyWish::kNone: return end_all();
    case StandbyWish::kKeep: return;
    case StandbyWish::kPrepare:
      if (spares_.size() < count_ && !waiting_) wait(kMoment);
  }
}

void Standbys::wait(std::chrono::milliseconds pause) {
  waiting_ = true;
  timer_.expires_after(pause);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    waiting_ = false;
    launch_missing();
  });
}

void Standbys::pause_longer() {
  if (!prepares_) return;
  wait(pause_);
  pause_ = std::min(pause_ * 2, kLongestPause);
}

void Standbys::launch_missing() {
  while (prepares_ && spares_.size() < count_)
    if (!launch_one()) return pause_longer();
}

bool Standbys::launch_one() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
    spdlog::warn("server {}: no socket pair for a standby: {}", server_,
                 std::system_category().message(errno));
    return false;
  }
  Spare spare{nullptr, UniqueFd{pair[0]}, std::make_shared<Child::OnExit>()};
  const UniqueFd theirs{pair[1]};
  LaunchSpec spec = spec_();
  spec.arguments.emplace_back("--standby");
  spec.inherited.emplace_back(theirs.get(), launch::kLineFd);
  auto ends = OutputLog::make_ends(spec);
  if (!ends) {
    spdlog::warn("server {}: no standby: {}", server_, ends.error().what);
    return false;
  }
  auto child = Child::launch(loop_, spec, [on_exit = spare.on_exit](int wait_status) {
    (*on_exit)(wait_status);
  });
  if (!child) {
    spdlog::warn("server {}: no standby: {}", server_, child.error().what);
    return false;
  }
  spare.child = *std::move(child);
  output_.watch(spare.child->pid(), 0, *std::move(ends));
  *spare.on_exit = [this, pid = spare.child->pid()](int wait_status) { on_exit(pid, wait_status); };
  spdlog::debug("server {}: standby {} started", server_, spare.child->pid());
  spares_.push_back(std::move(spare));
  return true;
}

void Standbys::on_exit(int pid, int wait_status) {
  output_.ended(pid);
  const auto is_it = [pid](const Spare& spare) { return spare.child->pid() == pid; };
  if (std::erase_if(ending_, is_it) == 0) {
    std::erase_if(spares_, is_it);
    spdlog::warn("server {}: its standby {} ended with status {:#x}", server_, pid, wait_status);
    if (!waiting_) pause_longer();
  }
  if (ending_.empty() && gone_) std::exchange(gone_, {})();
}

void Standbys::end_all() {
  if (std::exchange(waiting_, false)) timer_.cancel();
  for (Spare& spare : spares_) {
    spare.child->signal(SIGKILL);
    ending_.push_back(std::move(spare));
  }
  spares_.clear();
}

std::unique_ptr<Child> Standbys::activate(std::uint32_t incarnation, Child::OnExit on_exit,
                                          UniqueFd& line) {
  const launch::ToWorker packet{launch::Order::kActivate, incarnation, {}};
  while (!spares_.empty()) {
    Spare spare = std::move(spares_.front());
    spares_.pop_front();
    if (::send(spare.line.get(), &packet, sizeof packet, MSG_NOSIGNAL | MSG_DONTWAIT) ==
        sizeof packet) {
      spare.child->signal(SIGCONT);  // a stopped one must hear it
      *spare.on_exit = std::move(on_exit);
      line = std::move(spare.line);
      return std::move(spare.child);
    }
    // It has died, and that is about to be told.
    ending_.push_back(std::move(spare));
  }
  return nullptr;
}

void Standbys::when_gone(std::function<void()> gone) {
  if (ending_.empty()) return gone();
  gone_ = std::move(gone);
}

bool Standbys::signal(int number) {
  if (spares_.empty()) return false;
  spares_.front().child->signal(number);
  return true;
}

}  // namespace peeper::daemon
