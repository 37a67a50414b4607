#include "daemon/loop/sockets.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/check.hpp"

namespace peeper::daemon {

static_assert(Sockets::kReadable == EPOLLIN && Sockets::kWritable == EPOLLOUT &&
              Sockets::kEachTime == EPOLLET);

// --- Users ---------------------------------------------------------------------------------------

void Sockets::User::join(Sockets& sockets, int fd) {
  sockets_ = &sockets;
  fd_ = fd;
}

// One that asks for nothing isn't in the set at all: a hang-up would be told again and again.
bool Sockets::User::ask_for(std::uint32_t what) {
  if (what == asked_) return true;
  epoll_event event{};
  event.events = what;
  event.data.ptr = this;
  const int change = what == 0 ? EPOLL_CTL_DEL : asked_ == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
  const int changed = ::epoll_ctl(sockets_->epoll_.get(), change, fd_, &event);
  PEEPER_CHECK(changed == 0 || errno == ENOMEM || errno == ENOSPC,
               "a descriptor can't be watched: it was closed while it was");
  if (changed == 0 || what == 0) {
    asked_ = what;
    return true;
  }
  return false;
}

void Sockets::User::settle_soon() {
  if (sockets_ == nullptr || settles_) return;
  settles_ = true;
  sockets_->to_settle_.push_back(this);
}

void Sockets::User::leave() {
  if (sockets_ == nullptr) return;
  if (asked_ != 0) (void)ask_for(0);
  std::ranges::replace(sockets_->ready_, this, nullptr);
  if (settles_) {
    std::ranges::replace(sockets_->to_settle_, this, nullptr);
    std::ranges::replace(sockets_->settling_, this, nullptr);
  }
  settles_ = false;
  sockets_ = nullptr;
}

// --- Turns ---------------------------------------------------------------------------------------

Sockets::Sockets(TurnClock& clock)
    : clock_(clock), epoll_(::epoll_create1(EPOLL_CLOEXEC)), buffer_(kReadBytes) {
  PEEPER_CHECK(static_cast<bool>(epoll_), "no epoll for the clients");
}

std::size_t Sockets::turn() {
  std::array<epoll_event, kMostReady> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), kMostReady, 0);
  if (count > 0 || has_to_settle()) clock_.begin();
  if (count <= 0) return 0;
  for (int i = 0; i < count; ++i) ready_.push_back(static_cast<User*>(events[i].data.ptr));
  for (std::size_t i = 0; i < ready_.size(); ++i)
    if (User* const user = std::exchange(ready_[i], nullptr)) user->on_ready(events[i].events);
  ready_.clear();
  return static_cast<std::size_t>(count);
}

bool Sockets::settle() {
  dead_.clear();
  if (to_settle_.empty()) return false;
  std::swap(to_settle_, settling_);
  for (std::size_t i = 0; i < settling_.size(); ++i) {
    User* const user = std::exchange(settling_[i], nullptr);
    if (user == nullptr) continue;
    user->settles_ = false;
    user->settle();
  }
  settling_.clear();
  return true;
}

}  // namespace peeper::daemon
