// Walks a worker through one message, instruction by instruction, and looks at what a death would
// leave after each.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "acts.hpp"

namespace peeper::test {

// Where the message's instructions are.
struct Length {
  std::uint64_t steps = 0;
  std::uint64_t before_callback = 0;
  // From its first instruction until it has returned; what it calls, and what handles its faults,
  // included.
  std::uint64_t of_callback = 0;
  // Address of the first instruction after it, from where the program's code begins.
  std::uint64_t returns_to = 0;
  std::vector<std::uint64_t> faults;  // steps before each page fault
};

struct Tally {
  Length length;
  std::uint64_t looked = 0;     // steps after which memory was compared
  std::uint64_t recovered = 0;  // and had changed, so the copy was recovered
  // Of the steps looked at. Where nothing has changed since, the last finding holds.
  std::uint64_t not_begun = 0;
  std::uint64_t dropped = 0;
  std::uint64_t committed = 0;
  std::uint64_t wrong = 0;
  std::string first_wrong;
};
std::ostream& operator<<(std::ostream& out, const Tally& tally);

// How many of the callback's own steps are looked at, chosen by the seed. Of all other steps, from
// taking the message to its publication and on to sleep, none is left out.
struct Sampling {
  std::uint32_t seed;
  std::uint64_t most_of_callback;
};

// Plays the act without looking.
Length measure(Stage& stage, const Act& act);
Tally kill_everywhere(Stage& stage, const Act& act, Sampling sampling);

// Where a run is really killed: after none of the steps and after all, at the first fault, with the
// callback just done; at some steps, and at as many of those outside the callback, chosen by the
// seed. PEEPER_STEPS=N makes them N, PEEPER_STEPS=all takes every step there is.
std::vector<std::uint64_t> steps_to_kill_at(const Length& length, std::uint32_t seed);
// Walks `steps` of a message that begins now and was measured before; fast up to the callback's
// end or the last page fault, if those come before.
void walk_to(Stage& stage, const Length& length, std::uint64_t steps);

}  // namespace peeper::test
