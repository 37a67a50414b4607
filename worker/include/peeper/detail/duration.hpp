// Durations of std::chrono as the nanoseconds that cross the border to the worker.
#pragma once

#include <chrono>
#include <cstdint>
#include <ratio>

namespace peeper::detail {

// Rounded up, so that nothing happens early; beyond 2^63 - 1 (292 years): that. Throws
// std::invalid_argument when negative or no number.
[[nodiscard]] std::uint64_t whole_nanoseconds(long double nanoseconds);

template <class Rep, class Period>
[[nodiscard]] std::uint64_t nanoseconds_in(const std::chrono::duration<Rep, Period>& time) {
  // Floating, so that no conversion can overflow; its 64 bits hold every count exactly.
  return whole_nanoseconds(std::chrono::duration<long double, std::nano>(time).count());
}

}  // namespace peeper::detail
