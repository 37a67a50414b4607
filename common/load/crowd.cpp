#include "common/load/crowd.hpp"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "common/clock.hpp"

namespace peeper::load {
namespace {

constexpr std::size_t kAtOnce = 256;

int control(int poll, int operation, int descriptor, std::uint32_t wanted, std::size_t lane) {
  epoll_event event{};
  event.events = wanted;
  event.data.u64 = lane;
  return ::epoll_ctl(poll, operation, descriptor, &event);
}

}  // namespace

// Gives a lane's answers the times of their requests. One look at the clock serves them all.
class Crowd::Taking final : public Lane::Answers {
 public:
  Taking(Crowd& crowd, std::size_t lane, std::uint64_t now, Events& events)
      : crowd_(crowd), lane_(lane), now_(now), events_(events) {}

  void answered(std::string_view error) override {
    Seat& seat = crowd_.seats_[lane_];
    if (seat.under_way == 0) {
      unasked_ = true;
      return;
    }
    Batch& batch = seat.batches.front();
    const std::uint64_t sent = batch.sent;
    if (--batch.count == 0) seat.batches.pop_front();
    --seat.under_way;
    --crowd_.under_way_;
    events_.answered(lane_, sent, now_, error);
  }
  [[nodiscard]] bool is_unasked() const { return unasked_; }

 private:
  Crowd& crowd_;
  std::size_t lane_;
  std::uint64_t now_;
  Events& events_;
  bool unasked_ = false;
};

Result<Crowd> Crowd::gather(std::vector<std::unique_ptr<Lane>> lanes) {
  Crowd crowd;
  crowd.poll_ = UniqueFd(::epoll_create1(EPOLL_CLOEXEC));
  if (!crowd.poll_) return system_failure("cannot wait for several connections", errno);
  for (std::unique_ptr<Lane>& lane : lanes) {
    if (control(crowd.poll_.get(), EPOLL_CTL_ADD, lane->descriptor(), EPOLLIN,
                crowd.seats_.size()) != 0)
      return system_failure("cannot wait for a connection", errno);
    crowd.seats_.push_back({std::move(lane), {}});
  }
  return crowd;
}

Result<void> Crowd::send(std::size_t lane, std::size_t count, std::uint64_t now) {
  if (count == 0) return {};
  Seat& seat = seats_[lane];
  seat.batches.push_back({now, count});
  seat.under_way += count;
  under_way_ += count;
  Result<void> sent = seat.lane->send(count);
  watch_room(lane);
  return sent;
}

Result<void> Crowd::turn(std::chrono::milliseconds at_most, Events& events) {
  std::array<epoll_event, kAtOnce> ready;
  const int count = ::epoll_wait(poll_.get(), ready.data(), static_cast<int>(ready.size()),
                                 static_cast<int>(at_most.count()));
  if (count < 0 && errno != EINTR) return system_failure("cannot wait for answers", errno);
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = ready[static_cast<std::size_t>(i)];
    Result<void> served = serve(event.data.u64, event.events, events);
    if (!served) return served;
  }
  return {};
}

Result<void> Crowd::serve(std::size_t lane, std::uint32_t ready, Events& events) {
  Seat& seat = seats_[lane];
  if ((ready & EPOLLOUT) != 0) {
    Result<void> flushed = seat.lane->flush();
    if (!flushed) return flushed;
    watch_room(lane);
  }
  if ((ready & ~static_cast<std::uint32_t>(EPOLLOUT)) == 0) return {};
  const std::uint64_t now = now_ns();
  Taking taking(*this, lane, now, events);
  Result<void> taken = seat.lane->take(taking);
  if (taken && taking.is_unasked())
    taken = Failure{"peeperd sent a reply that nobody asked for", EPROTO};
  if (!taken) {
    control(poll_.get(), EPOLL_CTL_DEL, seat.lane->descriptor(), 0, lane);
    return taken;
  }
  return events.served(lane, now);
}

void Crowd::watch_room(std::size_t lane) {
  Seat& seat = seats_[lane];
  const bool wants_room = seat.lane->is_full();
  if (wants_room == std::exchange(seat.wants_room, wants_room)) return;
  const std::uint32_t wanted = wants_room ? EPOLLIN | EPOLLOUT : EPOLLIN;
  control(poll_.get(), EPOLL_CTL_MOD, seat.lane->descriptor(), wanted, lane);
}

std::uint64_t Crowd::oldest(std::uint64_t now) const {
  std::uint64_t oldest = now;
  for (const Seat& seat : seats_) {
    if (!seat.batches.empty()) oldest = std::min(oldest, seat.batches.front().sent);
  }
  return oldest;
}

}  // namespace peeper::load
