// System messages that a suspended worker handles out of their turn: they are over once, whether
// they were committed or their worker died of them, and then their turn comes.
#include <doctest/doctest.h>

#include <csignal>

#include "segment_fixture.hpp"

using namespace peeper;
using namespace peeper::segment;
using peeper::test::TestSegment;

namespace {

struct Mail {
  std::uint64_t position;
  std::uint64_t end;
};

Mail push(const Segment& segment, MessageType type, std::uint64_t request,
          std::string_view name) {
  test::push(segment, type, request, {name});
  const std::uint64_t end = segment.control().mailbox.tail.load();
  return {end - record_bytes<MessageHead>(std::vector<std::string_view>{name}), end};
}

void begin_out_of_turn(const Segment& segment, const Mail& mail) {
  Transaction transaction{segment};
  transaction.begin(Channel::kSystem, mail.position, 1);
  transaction.journal().save(2, 1);
  std::memset(segment.heap().data() + 2 * kPageBytes, 7, kPageBytes);
}

Settled recover(const Segment& segment, const Death& death = test::seen_signal(SIGSEGV)) {
  const auto rolled = roll_back(segment);
  REQUIRE_MESSAGE(rolled.has_value(), (rolled ? "" : rolled.error().what));
  const auto settled = settle(segment, death);
  REQUIRE_MESSAGE(settled.has_value(), (settled ? "" : settled.error().what));
  return *settled;
}

}  // namespace

TEST_CASE("a system message out of its turn that kills its worker is over, and others stay") {
  TestSegment made;
  const Segment& segment = made.segment;
  const Mail cast = push(segment, MessageType::kCast, 0, "first");
  const Mail replace = push(segment, MessageType::kReplaceState, 5, "sys replace_state");
  const auto heap = made.heap();
  begin_out_of_turn(segment, replace);
  const Settled settled = recover(segment);
  CHECK(settled.verdict == Verdict::kDrop);
  CHECK(settled.message == "sys replace_state");
  CHECK(made.heap() == heap);
  CHECK(test::replies(segment) ==
        std::vector<std::string>{"-CRASHED server: SIGSEGV in 'sys replace_state'\r\n"});
  CHECK(Transaction{segment}.system_done() == replace.end);
  CHECK(Transaction{segment}.mailbox_head() == cast.position);
  CHECK(read_letters(segment).empty());
  // Once more, as a keeper that was killed in the end of it: nothing is left to do.
  CHECK(recover(segment).verdict == Verdict::kNothing);
  CHECK(test::replies(segment).size() == 1);
  // Whatever is committed then, it stays over.
  Transaction transaction{segment};
  transaction.begin(Channel::kMailbox, cast.position, 1);
  transaction.commit(cast.end);
  CHECK(Transaction{segment}.system_done() == replace.end);
}

TEST_CASE("one that was committed out of its turn is over, one that was only begun is not") {
  TestSegment made;
  const Segment& segment = made.segment;
  const Mail cast = push(segment, MessageType::kCast, 0, "first");
  const Mail first = push(segment, MessageType::kReplaceState, 5, "sys replace_state");
  const Mail second = push(segment, MessageType::kGetState, 6, "sys get_state");
  Transaction transaction{segment};
  transaction.begin(Channel::kSystem, first.position, 1);
  transaction.set_system_done(first.end);
  transaction.commit(transaction.mailbox_head());
  CHECK(recover(segment).verdict == Verdict::kNothing);
  CHECK(Transaction{segment}.system_done() == first.end);
  CHECK(Transaction{segment}.mailbox_head() == cast.position);
  // Nobody saw the next one's death: it runs again, in whichever way.
  begin_out_of_turn(segment, second);
  CHECK(recover(segment, Death{}).verdict == Verdict::kRunAgain);
  CHECK(Transaction{segment}.system_done() == first.end);
  CHECK(test::replies(segment).empty());
}

TEST_CASE("a place out of turn that can't be is believed by nobody, and damages nothing") {
  TestSegment made;
  const Segment& segment = made.segment;
  const Mail cast = push(segment, MessageType::kCast, 0, "first");
  for (const std::uint64_t position :
       {cast.position, cast.position + 8, cast.end, cast.end + 4096, UINT64_MAX - 7}) {
    CAPTURE(position);
    begin_out_of_turn(segment, {position, 0});
    CHECK(recover(segment).message == "system message");
    CHECK(Transaction{segment}.system_done() == 0);
    CHECK(Transaction{segment}.mailbox_head() == cast.position);
  }
  segment.control().slot[0].system_done = segment.control().slot[1].system_done = cast.end + 8;
  CHECK_FALSE(roll_back(segment).has_value());
}
