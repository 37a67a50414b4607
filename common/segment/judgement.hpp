// What becomes of the message that was in flight when its worker died. Pure policy.
#pragma once

#include <cstdint>

#include "common/segment/layout.hpp"

namespace peeper::segment {

// What is known of the death.
enum class Observed : std::uint32_t {
  kNobodySaw = 0,  // daemon and worker went together
  kSeen = 1,       // the daemon has the wait status: the message is told its cause
};

enum class Verdict {
  kNothing,   // no message was in flight
  kRunAgain,  // it stays at the head of the mailbox
  kDrop,      // its caller is told, the next one runs
};

// A death nobody saw says nothing against the message: most likely all processes were killed
// together, and the message was accepted. It runs again, but not for ever.
inline constexpr std::uint32_t kMostUnseenAttempts = 3;

constexpr Verdict judge(Channel channel, std::uint32_t attempt, Observed observed) {
  switch (channel) {
    case Channel::kNone:
    case Channel::kInit:
    case Channel::kTerminate: return Verdict::kNothing;
    case Channel::kMailbox: break;
  }
  if (observed == Observed::kNobodySaw && attempt < kMostUnseenAttempts) return Verdict::kRunAgain;
  return Verdict::kDrop;
}

}  // namespace peeper::segment
