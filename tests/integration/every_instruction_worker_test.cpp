// The real worker, killed at every machine instruction of a message; see support/twin.hpp for why
// looking at it after each is the same.
#include <doctest/doctest.h>

#include "instance.hpp"
#include "walk.hpp"

using namespace peeper::test;

namespace {

#ifdef PEEPER_SANITIZED
constexpr std::uint64_t kMostOfCallback = 2000;  // it has many times as many instructions
#else
constexpr std::uint64_t kMostOfCallback = UINT64_MAX;  // all of them
#endif

Tally walk_through(const Server& server, Act (*act)(Stage&)) {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Stage stage{server};
  const Act played = act(stage);
  const Tally tally = kill_everywhere(stage, played, {seed, kMostOfCallback});
  MESSAGE("'" << played.message[0] << "', seed " << seed << ": " << tally);
  CHECK(tally.wrong == 0);
  CHECK(tally.not_begun > 10);
  CHECK(tally.dropped > 100);
  CHECK(tally.committed > 50);
  return tally;
}

}  // namespace

TEST_CASE("every instruction: a call killed at any happened whole or not at all") {
  const Tally tally = walk_through(counter_server(), increment);
  CHECK(tally.length.faults.size() == 1);
  if (kMostOfCallback == UINT64_MAX) CHECK(tally.looked == tally.length.steps + 1);
}

TEST_CASE("every instruction: a call that writes a hot page, killed at any") {
  const Tally tally = walk_through(counter_server(), increment_when_hot);
  CHECK(tally.length.faults.size() == 0);
  if (kMostOfCallback == UINT64_MAX) CHECK(tally.looked == tally.length.steps + 1);
}

TEST_CASE("every instruction: a transfer between pages, killed at any, moved all or nothing") {
  const Tally tally = walk_through(ledger_server(), transfer);
  CHECK(tally.length.faults.size() >= 3);
  if (kMostOfCallback == UINT64_MAX) CHECK(tally.looked == tally.length.steps + 1);
}

TEST_CASE("every instruction: an insert that rehashes, killed at any") {
  const Tally tally = walk_through(ledger_server(), rehashing_insert);
  CHECK(tally.length.faults.size() >= 3);
}

TEST_CASE("every instruction: an allocation that grows the heap, killed at any") {
  const Tally tally = walk_through(kv_server(), growing_allocation);
  CHECK(tally.length.faults.size() >= 3);
}

TEST_CASE("every instruction: a replace_state, killed at any") {
  const Tally tally = walk_through(counter_server(), replacement);
  CHECK(tally.length.faults.size() == 1);
}

TEST_CASE("every instruction: a replace_state of a suspended server, killed at any") {
  const Tally tally = walk_through(counter_server(), replacement_when_suspended);
  CHECK(tally.length.faults.size() == 1);
  if (kMostOfCallback == UINT64_MAX) CHECK(tally.looked == tally.length.steps + 1);
}
