// Time in ns as processes share it: of CLOCK_MONOTONIC, the same in all of one boot.
#pragma once

#include <cstdint>
#include <ctime>

namespace peeper {

inline std::uint64_t now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// now_ns() as of the last tick of the kernel's, up to some 4 ms ago, at a fifth of the cost.
inline std::uint64_t tick_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// For people: nothing is decided by it.
inline std::uint64_t wall_clock_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 +
         static_cast<std::uint64_t>(now.tv_nsec);
}

// `ns` from now; what is beyond the clock's range never comes.
inline std::uint64_t ns_from_now(std::uint64_t ns) {
  const std::uint64_t now = now_ns();
  return ns > UINT64_MAX - now ? UINT64_MAX : now + ns;
}

}  // namespace peeper
