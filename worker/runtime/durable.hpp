// What the runtime keeps of a server beside its State.
//
// Lives in the heap, made with it: so it changes with the transaction of the message that changes
// it, rolls back with it, and survives worker, keeper and daemon. Nothing here costs a message that
// doesn't use it more than a few loads. Owner: the heap. Thread: the callback thread.
#pragma once

#include <cstdint>

#include "peeper/ordered.hpp"
#include "peeper/sequences.hpp"
#include "peeper/string.hpp"
#include "peeper/unordered.hpp"
#include "worker/runtime/timers.hpp"
#include "worker/runtime/tokens.hpp"

namespace peeper::worker {

// Raised with every change of Durable, or of what it consists of, in memory. A part of the heap's
// fingerprint: a segment of another version is refused.
inline constexpr std::uint32_t kDurableVersion = 2;

struct Continue {
  std::uint64_t number = 0;
  peeper::string argument;
};

struct Durable {
  // Of timers, calls and continues: one count, so that a number is never used twice.
  std::uint64_t last_number = 0;

  // When handle_info("timeout") is due, unless something arrives before; CLOCK_MONOTONIC, ns.
  // 0: no timeout was asked for.
  std::uint64_t timeout_at = 0;

  // Before anything else handle_continue runs for each of these, in their order. As a rule there is
  // one at most; that of handle_start comes behind what init asked for, or behind what was pending
  // when the last worker died.
  peeper::deque<Continue> continues;

  Timers timers;

  // Of each server that has sent casts, infos or calls, by its uid: the number last committed, or
  // dropped.
  peeper::unordered_map<std::uint64_t, std::uint64_t> streams;

  Tokens tokens;

  peeper::map<peeper::string, peeper::string> dictionary;
};

}  // namespace peeper::worker
