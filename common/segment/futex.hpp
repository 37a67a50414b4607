// Sleeping on a 32-bit word in shared memory, and waking who sleeps there.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <climits>
#include <ctime>

#include "common/segment/layout.hpp"

namespace peeper::segment {

// Returns when the word was woken, differs from `seen`, a signal came, or `timeout` passed
// (negative: never): callers look at their condition again. Async-signal-safe.
inline void futex_wait(Atomic32& word, std::uint32_t seen,
                       std::chrono::nanoseconds timeout = std::chrono::nanoseconds{-1}) {
  timespec limit{};
  limit.tv_sec = static_cast<time_t>(timeout.count() / 1'000'000'000);
  limit.tv_nsec = static_cast<long>(timeout.count() % 1'000'000'000);
  ::syscall(SYS_futex, &word, FUTEX_WAIT, seen, timeout.count() < 0 ? nullptr : &limit, nullptr, 0);
}

// Async-signal-safe.
inline void futex_wake(Atomic32& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace peeper::segment
