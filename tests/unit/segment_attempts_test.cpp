// How often something is tried, and that a judgement on it stands: over deaths of daemons and of
// workers that never came to it, and with other things running in between.
#include <doctest/doctest.h>

#include <csignal>

#include "segment_fixture.hpp"

using namespace peeper;
using namespace peeper::segment;
using peeper::test::TestSegment;

namespace {

// Begins it and dies. The attempt it was.
std::uint32_t die_in(const Segment& segment, Channel channel, std::uint64_t position) {
  Transaction transaction{segment};
  transaction.begin(channel, position, 1);
  return segment.control().in_flight.attempt;
}

void complete(const Segment& segment, Channel channel, std::uint64_t position) {
  Transaction transaction{segment};
  transaction.begin(channel, position, 1);
  transaction.commit(transaction.mailbox_head());
}

Death seen(std::uint32_t retries = 0) {
  Death death = test::seen_signal(SIGSEGV);
  death.retries = retries;
  return death;
}

Verdict recover(const Segment& segment, const Death& death) {
  REQUIRE(roll_back(segment).has_value());
  const auto settled = settle(segment, death);
  REQUIRE(settled.has_value());
  return settled->verdict;
}

}  // namespace

TEST_CASE("a message that is to run again is not dropped for a worker that never began it") {
  TestSegment made;
  test::push(made.segment, MessageType::kCast, 0, {"accepted"});
  CHECK(die_in(made.segment, Channel::kMailbox, 0) == 1);
  REQUIRE(recover(made.segment, Death{}) == Verdict::kRunAgain);
  // The next worker can't even load its behaviour, and that is seen.
  for (int times = 0; times < 5; ++times) CHECK(recover(made.segment, seen()) == Verdict::kNothing);
  CHECK(made.segment.control().committed.load() == 0);
  // What had been tried still counts.
  CHECK(die_in(made.segment, Channel::kMailbox, 0) == 2);
  CHECK(recover(made.segment, seen()) == Verdict::kDrop);
}

TEST_CASE("what the heap holds is not dropped either for a worker that never began it again") {
  for (const Channel channel : {Channel::kContinue, Channel::kTimer, Channel::kTimeout}) {
    TestSegment made;
    CHECK(die_in(made.segment, channel, 7) == 1);
    REQUIRE(recover(made.segment, Death{}) == Verdict::kRunAgain);
    CHECK(recover(made.segment, seen()) == Verdict::kNothing);
    CHECK(die_in(made.segment, channel, 7) == 2);
  }
}

TEST_CASE("that what the heap holds is to be dropped stands until a worker has dropped it") {
  TestSegment made;
  InFlight& flying = made.segment.control().in_flight;
  (void)die_in(made.segment, Channel::kTimer, 7);
  REQUIRE(recover(made.segment, seen()) == Verdict::kDrop);
  // By another daemon, which saw nothing, and after a worker that died before it came to that.
  for (const Death& death : {Death{}, seen(5)}) {
    CHECK(recover(made.segment, death) == Verdict::kNothing);
    CHECK(flying.verdict.load() == static_cast<std::uint32_t>(Verdict::kDrop));
    CHECK(flying.sequence.load() == made.segment.control().committed.load() + 1);
  }
}

TEST_CASE("how often something was tried is counted whatever else runs in between") {
  constexpr Channel kCounted[] = {Channel::kMailbox, Channel::kContinue, Channel::kTimer,
                                  Channel::kTimeout};
  for (const Channel channel : kCounted) {
    TestSegment made;
    test::push(made.segment, MessageType::kCast, 0, {"poison"});
    for (std::uint32_t attempt = 1; attempt <= 3; ++attempt) {
      CHECK(die_in(made.segment, channel, 0) == attempt);
      CHECK(recover(made.segment, seen(2)) ==
            (attempt < 3 ? Verdict::kRunAgain : Verdict::kDrop));
      complete(made.segment, Channel::kStart, 0);
      for (const Channel other : kCounted)
        if (other != channel) complete(made.segment, other, 100 + attempt);
    }
  }
}
