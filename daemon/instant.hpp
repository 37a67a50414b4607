// A moment, as everything in the daemon takes it as an argument: of the clock that never jumps.
#pragma once

#include <chrono>
#include <cstdint>

namespace peeper::daemon {

using Instant = std::chrono::steady_clock::time_point;

// For people: nothing is decided by it.
inline std::uint64_t wall_clock_ns() {
  const auto since_epoch = std::chrono::system_clock::now().time_since_epoch();
  return static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::nanoseconds>(since_epoch).count());
}

}  // namespace peeper::daemon
