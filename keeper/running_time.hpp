// Has something run for longer than it may? Pure: it is told when somebody looks.
//
// Time counts from one look to the next, and no more of it than twice what looks should be apart: of
// the time in which this process was stopped, or the machine, next to nothing counts. It is the rule that
// workers' callbacks have, too (daemon/watchdog.hpp).
#pragma once

#include <algorithm>
#include <chrono>

namespace peeper::keeper {

class RunningTime {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  RunningTime(Milliseconds limit, Clock::time_point begin) : limit_(limit), last_look_(begin) {}

  // How often to look at what may take that long. It is found out after `limit` at the earliest,
  // and a quarter of that later at the latest, if that is 40 ms or more.
  [[nodiscard]] static Milliseconds period(Milliseconds limit) {
    return std::clamp(limit / 8, Milliseconds{5}, Milliseconds{1'000});
  }

  // Never at the first look.
  [[nodiscard]] bool is_over(Clock::time_point now) {
    const Clock::duration most = std::min<Clock::duration>(2 * period(limit_),
                                                           Clock::duration{limit_} / 2);
    counted_ += std::min(now - last_look_, most);
    last_look_ = now;
    return counted_ >= limit_;
  }

 private:
  Milliseconds limit_;
  Clock::time_point last_look_;
  Clock::duration counted_{};
};

}  // namespace peeper::keeper
