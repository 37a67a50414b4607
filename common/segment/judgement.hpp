// What becomes of the message, or of what the heap held for later, that was in flight when its
// worker died. Pure policy.
#pragma once

#include <cstdint>

#include "common/segment/layout.hpp"

namespace peeper::segment {

// What is known of the death.
enum class Observed : std::uint32_t {
  kNobodySaw = 0,  // daemon and worker went together
  kSeen = 1,       // the daemon has the wait status: the message is told its cause
  kHung = 2,       // as kSeen, and the daemon ended it for a callback that took too long
  kOom = 3,        // as kSeen, and it was the kernel that killed it, for want of memory
};

enum class Verdict : std::uint32_t {
  kNothing = 0,   // no message was in flight
  kRunAgain = 1,  // it stays where it is, and is the next to run
  kDrop = 2,      // its caller is told, the next one runs
};

// A death nobody saw says nothing against the message: most likely all processes were killed
// together, and the message was accepted. It runs again, but not for ever.
inline constexpr std::uint32_t kMostUnseenAttempts = 3;

// How often a message whose worker died is tried, as far as that death says: once, unless the
// server is configured to retry.
constexpr std::uint32_t most_attempts(Observed observed, std::uint32_t retries) {
  const std::uint32_t seen = retries + 1;
  return observed == Observed::kNobodySaw && seen < kMostUnseenAttempts ? kMostUnseenAttempts
                                                                        : seen;
}

// Is what runs in this channel kept in the heap? Then only a worker can drop it.
constexpr bool is_kept_in_heap(Channel channel) {
  return channel == Channel::kContinue || channel == Channel::kTimer ||
         channel == Channel::kTimeout;
}

// Is what runs in this channel judged at all? Then its tries are counted.
constexpr bool is_judged(Channel channel) {
  return channel == Channel::kMailbox || channel == Channel::kSystem ||
         channel == Channel::kClient || is_kept_in_heap(channel);
}

// `attempt`: the one that died, from 1. `retries`: at most limits::kMostRetries.
constexpr Verdict judge(Channel channel, std::uint32_t attempt, Observed observed,
                        std::uint32_t retries) {
  if (!is_judged(channel)) return Verdict::kNothing;
  return attempt < most_attempts(observed, retries) ? Verdict::kRunAgain : Verdict::kDrop;
}

}  // namespace peeper::segment
