// Whether who waits for another process should look for a while before it sleeps, and how long.
//
// Waking a process takes the kernel far longer than most messages take to handle. Who finds what it
// waits for by looking saves both sides that; who looks in vain has taken a processor from others.
// So it is learnt: a look in vain is not repeated for a few waits, then for more and more of them,
// until a wait turns out to have been a short one.
//
// Pure: times are arguments, in ns of one clock that never jumps. One for each place of waiting.
#pragma once

#include <algorithm>
#include <cstdint>

namespace peeper {

struct BusyPollLimits {
  std::uint64_t ns = 0;  // 0: never look
  bool adapts = true;    // false: look at each wait, whatever came of the last one

  bool operator==(const BusyPollLimits&) const = default;
};

// What of them is of use where so many processors may be used: with a single one, whom one waits for
// doesn't run meanwhile.
[[nodiscard]] constexpr BusyPollLimits on_processors(BusyPollLimits limits, int processors) {
  if (limits.adapts && processors < 2) limits.ns = 0;
  return limits;
}

class BusyPoll {
 public:
  explicit BusyPoll(BusyPollLimits limits) : limits_(limits) {}

  [[nodiscard]] const BusyPollLimits& limits() const { return limits_; }

  // A wait begins. How long to look; 0: sleep at once.
  [[nodiscard]] std::uint64_t begin() {
    if (left_out_ == 0) return limits_.ns;
    --left_out_;
    return 0;
  }

  // It came within the limit, while one looked.
  void found() { leave_out_next_ = 0; }
  void looked_in_vain() {
    if (!limits_.adapts) return;
    leave_out_next_ = std::min(2 * leave_out_next_ + 1, kMostLeftOut);
    left_out_ = leave_out_next_;
  }
  // Much came at once: there is enough to do for all processors, and the next comes without looking.
  void was_crowded() {
    if (limits_.adapts) left_out_ = std::max(left_out_, kLeftOutInCrowd);
  }
  // One slept all the time, which was `ns` with the waking up, of which looking would have saved
  // about half.
  void slept(std::uint64_t ns) {
    if (ns > 2 * limits_.ns || left_out_ == 0) return;
    // So it would have been found; but once may be chance.
    left_out_ /= 2;
    leave_out_next_ /= 2;
  }

 private:
  static constexpr std::uint32_t kMostLeftOut = 255;
  static constexpr std::uint32_t kLeftOutInCrowd = 63;

  BusyPollLimits limits_;
  std::uint32_t left_out_ = 0;        // waits, from now
  std::uint32_t leave_out_next_ = 0;  // about half of what it is after the next look in vain
};

// One step of a loop that looks: lets the other thread of this core go on.
inline void pause_looking() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

}  // namespace peeper
