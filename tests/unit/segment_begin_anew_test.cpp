// A State that is given up by on_crash_loop, in the segment alone.
#include <doctest/doctest.h>

#include <cstring>

#include "common/segment/recovery.hpp"
#include "common/segment/transaction.hpp"
#include "segment_fixture.hpp"
#include "stepper.hpp"

using namespace peeper;
using namespace peeper::segment;
using test::TestSegment;

namespace {

// One commit, so that there is a State, and one message that waits.
void prepare(const TestSegment& made) {
  Transaction transaction{made.segment};
  transaction.begin(Channel::kInit, 0, 1);
  transaction.commit(transaction.mailbox_head());
  test::push(made.segment, MessageType::kCall, 7, {"first"});
}

bool has_message(const Segment& segment) {
  Transaction transaction{segment};
  return segment.mailbox()
             .find<MessageHead>(transaction.mailbox_head(), segment.control().mailbox.tail.load())
             .status == decltype(segment.mailbox().find<MessageHead>(0, 0))::kRecord;
}

}  // namespace

TEST_CASE("begin anew: only where there is a State, once, and the mailbox stays") {
  TestSegment made;
  begin_anew(made.segment);
  CHECK(made.segment.control().committed.load() == 0);
  prepare(made);
  begin_anew(made.segment);
  CHECK(made.segment.control().committed.load() == 2);
  begin_anew(made.segment);
  CHECK(made.segment.control().committed.load() == 2);
  CHECK(Transaction{made.segment}.begins_anew());
  CHECK(has_message(made.segment));
  // A commit of anything else carries it on; that of init ends it.
  Transaction transaction{made.segment};
  transaction.begin_drop();
  transaction.commit(transaction.mailbox_head());
  CHECK(Transaction{made.segment}.begins_anew());
  transaction.begin(Channel::kInit, 0, 1);
  transaction.set_begin_anew(false);
  CHECK(Transaction{made.segment}.begins_anew());  // not before the commit
  transaction.commit(transaction.mailbox_head());
  CHECK_FALSE(Transaction{made.segment}.begins_anew());
}

TEST_CASE("begin anew: a keeper killed at any instruction leaves the next one the same to do") {
  TestSegment running;
  prepare(running);
  TestSegment crashed;
  std::uint64_t wrong = 0;
  std::uint64_t before = 0;
  const std::uint64_t steps = test::step_through(
      [&] { begin_anew(running.segment); },
      [&](std::uint64_t) {
        std::memcpy(crashed.bytes().data(), running.bytes().data(), running.bytes().size());
        if (crashed.segment.control().committed.load() == 1) ++before;
        const bool recovered =
            roll_back(crashed.segment).has_value() &&
            settle(crashed.segment, test::seen_signal(SIGKILL)).has_value();
        begin_anew(crashed.segment);
        if (!recovered || crashed.segment.control().committed.load() != 2 ||
            !Transaction{crashed.segment}.begins_anew() || !has_message(crashed.segment))
          ++wrong;
      });
  CHECK(wrong == 0);
  CHECK(before > 10);
  CHECK(before < steps);
}
