// Sleeping on a 32-bit word in shared memory, and waking who sleeps there.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <climits>
#include <ctime>
#include <span>

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

// As futex_wait(), on any of some words (at most FUTEX_WAITV_MAX, 128), until `deadline`, ns of
// CLOCK_MONOTONIC. Needs Linux 5.16: see has_futex_wait_any().
struct WaitedWord {
  Atomic32* word;
  std::uint32_t seen;
};
inline void futex_wait_any(std::span<const WaitedWord> words, std::uint64_t deadline_ns) {
  futex_waitv waited[FUTEX_WAITV_MAX]{};
  const std::size_t count = words.size() < FUTEX_WAITV_MAX ? words.size() : FUTEX_WAITV_MAX;
  for (std::size_t i = 0; i < count; ++i) {
    waited[i].val = words[i].seen;
    waited[i].uaddr = reinterpret_cast<std::uint64_t>(words[i].word);
    waited[i].flags = FUTEX_32;
  }
  timespec limit{};
  limit.tv_sec = static_cast<time_t>(deadline_ns / 1'000'000'000);
  limit.tv_nsec = static_cast<long>(deadline_ns % 1'000'000'000);
  ::syscall(SYS_futex_waitv, waited, count, 0, &limit, CLOCK_MONOTONIC);
}
[[nodiscard]] inline bool has_futex_wait_any() {
  return ::syscall(SYS_futex_waitv, nullptr, 0, 0, nullptr, 0) != 0 && errno != ENOSYS;
}

// Async-signal-safe.
inline void futex_wake(Atomic32& word) {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace peeper::segment
