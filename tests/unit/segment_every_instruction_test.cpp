// The commit and the recovery, killed at every machine instruction. A process that dies between two
// instructions leaves memory as it is there, so looking at the memory of a single-stepped child
// after each step is the same as killing a fresh one at each step.
#include <doctest/doctest.h>

#include <csignal>
#include <cstring>

#include "common/segment/dead_letters.hpp"
#include "common/segment/history.hpp"
#include "segment_fixture.hpp"
#include "stepper.hpp"

using namespace peeper;
using namespace peeper::segment;
using peeper::test::TestSegment;

namespace {

using Strings = std::vector<std::string>;

constexpr std::uint64_t kPages = 5;  // written by the message

// Page images that no message of these tests leaves behind by chance.
void fill_page(const Segment& segment, std::uint64_t page, std::uint8_t with) {
  std::memset(segment.heap().data() + page * kPageBytes, with, kPageBytes);
}

enum class Order { kSaveThenWrite, kWriteThenSave };

// One message as the worker runs it: a call that overwrites some pages of the heap and replies.
void run_message(const Segment& segment, Order order) {
  Transaction transaction{segment};
  const auto found = segment.mailbox().find<MessageHead>(
      transaction.mailbox_head(), segment.control().mailbox.tail.load());
  transaction.begin(Channel::kMailbox, found.position, 1);
  for (std::uint64_t page = 0; page < kPages; ++page) {
    if (order == Order::kSaveThenWrite) transaction.journal().save(page, 1);
    // Some of the page is enough: the instructions are counted.
    std::memset(segment.heap().data() + page * kPageBytes + 100, 0xEE, 256);
    if (order == Order::kWriteThenSave) transaction.journal().save(page, 1);
  }
  std::byte* room = transaction.add_reply(found.head.request, found.head.epoch, 4);
  std::memcpy(room, ":1\r\n", 4);
  transaction.commit(found.position + found.head.bytes);
}

struct Sides {
  std::vector<std::byte> before;
  std::vector<std::byte> after;
};

void copy_segment(const TestSegment& from, const TestSegment& to) {
  std::memcpy(to.bytes().data(), from.bytes().data(), from.bytes().size());
}

// Who sent the message; what is known of it when it was dropped.
constexpr test::Origin kClient{};
constexpr test::Origin kServer{9, 5};

bool notes(const Segment& segment, test::Origin origin) {
  const Dropped& dropped = segment.control().slot[segment.control().committed.load() & 1].dropped;
  return dropped.stream == origin.stream && dropped.number == origin.number;
}

// The message is a dead letter, whole and once, if it was dropped, and else it is none.
bool is_letter(const Segment& segment, bool dropped) {
  const auto letters = read_letters(segment);
  return dropped ? letters.size() == 1 && letters[0].strings == Strings{"first"} &&
                       letters[0].message.request == 7
                 : letters.empty();
}

// What the caller, client or server, is told.
std::vector<std::string> told(const Segment& segment, test::Origin origin) {
  return origin.stream == 0 ? test::replies(segment) : test::answers(segment);
}

void prepare(const TestSegment& made, test::Origin origin) {
  for (std::uint64_t page = 0; page < kPages + 1; ++page)
    fill_page(made.segment, page, static_cast<std::uint8_t>(0x10 + page));
  test::push(made.segment, MessageType::kCall, 7, {"first"}, origin);
  test::push(made.segment, MessageType::kCall, 8, {"second"});
}

// Counts the steps after which recovery leaves neither the one heap nor the other, or rings that
// don't agree with it.
struct Tally {
  std::uint64_t steps = 0;
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  std::uint64_t wrong = 0;
};

Tally kill_message_everywhere(Order order, test::Origin origin) {
  TestSegment running;
  prepare(running, origin);
  Sides sides;
  sides.before = running.heap();

  // What a message that isn't interrupted leaves.
  TestSegment undisturbed;
  copy_segment(running, undisturbed);
  run_message(undisturbed.segment, order);
  sides.after = undisturbed.heap();

  TestSegment crashed;
  Tally tally;
  tally.steps = test::step_through(
      [&] { run_message(running.segment, order); },
      [&](std::uint64_t) {
        copy_segment(running, crashed);
        REQUIRE(roll_back(crashed.segment).has_value());
        const auto settled = settle(crashed.segment, test::seen_signal(SIGKILL));
        REQUIRE(settled.has_value());
        const auto replies = test::replies(crashed.segment);
        const bool committed = !replies.empty() && replies[0] == ":1\r\n";
        const auto errors = committed ? Strings{} : told(crashed.segment, origin);
        const auto& expected = committed ? sides.after : sides.before;
        const auto heap = crashed.segment.heap();
        const bool same = std::memcmp(heap.data(), expected.data(), expected.size()) == 0;
        // Either the reply, or nothing because the message had not begun, or the error.
        const bool dropped = settled->verdict == Verdict::kDrop;
        const bool is_told =
            committed || (settled->verdict == Verdict::kNothing && errors.empty()) ||
            (dropped && errors == Strings{"-CRASHED server: SIGKILL in 'first'\r\n"});
        const bool is_noted = notes(crashed.segment, dropped ? origin : kClient);
        // And the next message is the right one.
        Transaction next{crashed.segment};
        const auto found = crashed.segment.mailbox().find<MessageHead>(
            next.mailbox_head(), crashed.segment.control().mailbox.tail.load());
        const bool moved_on = committed || dropped;
        const bool right_next = found.head.request == (moved_on ? 8U : 7U) &&
                                crashed.segment.control().mailbox.head.load() ==
                                    next.mailbox_head();
        ++(committed ? tally.after : tally.before);
        const bool is_kept = is_letter(crashed.segment, dropped);
        const bool is_recorded = read_history(crashed.segment).size() == 1;
        if (!same || !is_told || !is_noted || !right_next || !is_kept || !is_recorded)
          ++tally.wrong;
      });
  return tally;
}

}  // namespace

TEST_CASE("a message killed at any instruction happened whole or not at all") {
  for (const test::Origin origin : {kClient, kServer}) {
    const Tally tally = kill_message_everywhere(Order::kSaveThenWrite, origin);
    MESSAGE("instructions: " << tally.steps << ", before the commit: " << tally.before
                             << ", after it: " << tally.after);
    CHECK(tally.wrong == 0);
    CHECK(tally.before > 100);
    CHECK(tally.after > 10);
  }
}

TEST_CASE("a message killed at any instruction of its begin has not been tried more than once") {
  TestSegment running;
  prepare(running, kClient);
  Control& control = running.segment.control();
  const auto begin = [](const Segment& segment) {
    Transaction transaction{segment};
    transaction.begin(Channel::kMailbox, transaction.mailbox_head(), 1);
    return segment.control().in_flight.attempt;
  };
  Death death = test::seen_signal(SIGKILL);
  death.retries = 4;
  for (int tries = 1; tries <= 3; ++tries) {
    REQUIRE(begin(running.segment) == tries);
    REQUIRE(settle(running.segment, death).has_value());
  }
  run_message(running.segment, Order::kSaveThenWrite);
  TestSegment killed;
  std::uint64_t wrong = 0;
  std::uint64_t again = 0;
  test::step_through([&] { (void)begin(running.segment); },
                     [&](std::uint64_t) {
                       copy_segment(running, killed);
                       const bool was_judged =
                           settle(killed.segment, death)->verdict == Verdict::kRunAgain;
                       const std::uint32_t attempt = begin(killed.segment);
                       if (attempt == 2) ++again;
                       if (attempt > 2 || (was_judged && attempt != 2)) ++wrong;
                     });
  CHECK(wrong == 0);
  CHECK(again > 0);
  CHECK(control.committed.load() == 1);
}

TEST_CASE("canary: a page written before its pre-image is in the journal is noticed") {
  const Tally tally = kill_message_everywhere(Order::kWriteThenSave, kClient);
  CHECK(tally.wrong > 0);
}

namespace {

void kill_recovery_everywhere(test::Origin origin) {
  TestSegment running;
  prepare(running, origin);
  const auto before = running.heap();
  {
    // Dies with all pages overwritten, before its commit.
    Transaction transaction{running.segment};
    transaction.begin(Channel::kMailbox, 0, 1);
    for (std::uint64_t page = 0; page < kPages; ++page) {
      transaction.journal().save(page, 1);
      fill_page(running.segment, page, 0xEE);
    }
  }
  const auto recover = [](const Segment& segment) {
    return roll_back(segment).has_value() &&
           settle(segment, test::seen_signal(SIGSEGV)).has_value();
  };
  TestSegment again;
  std::uint64_t wrong = 0;
  const std::uint64_t steps = test::step_through(
      [&] {
        if (!recover(running.segment)) ::_exit(1);
      },
      [&](std::uint64_t) {
        copy_segment(running, again);
        REQUIRE(recover(again.segment));
        const bool good =
            std::memcmp(again.segment.heap().data(), before.data(), before.size()) == 0 &&
            told(again.segment, origin) ==
                Strings{"-CRASHED server: SIGSEGV in 'first'\r\n"} &&
            notes(again.segment, origin) && again.segment.control().committed.load() == 1 &&
            is_letter(again.segment, true) && read_history(again.segment).size() == 1 &&
            read_history(again.segment)[0].name == "first";
        if (!good) ++wrong;
      });
  MESSAGE("instructions: " << steps);
  CHECK(wrong == 0);
  CHECK(steps > 500);
}

}  // namespace

TEST_CASE("a recovery killed at any instruction leaves the next one the same bytes") {
  kill_recovery_everywhere(kClient);
  kill_recovery_everywhere(kServer);
}

// The judgements that are no transaction: to run again, and to leave the drop to a worker.
TEST_CASE("a judgement killed at any instruction is the next one's too") {
  for (const Channel channel : {Channel::kMailbox, Channel::kTimer})
    for (const std::uint32_t retries : {0U, 1U}) {
      if (channel == Channel::kMailbox && retries == 0) continue;  // dropped at once: see above
      TestSegment running;
      prepare(running, kServer);
      {
        Transaction transaction{running.segment};
        transaction.begin(channel, 0, 1);
      }
      Death death = test::seen_signal(SIGSEGV);
      death.retries = retries;
      const auto recover = [death](const Segment& segment) {
        return roll_back(segment).has_value() && settle(segment, death).has_value();
      };
      TestSegment again;
      std::uint64_t wrong = 0;
      test::step_through(
          [&] {
            if (!recover(running.segment)) ::_exit(1);
          },
          [&](std::uint64_t) {
            copy_segment(running, again);
            REQUIRE(recover(again.segment));
            const Control& control = again.segment.control();
            const InFlight& flying = control.in_flight;
            const bool right =
                retries == 0
                    ? flying.sequence.load() == 1 &&
                          flying.verdict.load() == static_cast<std::uint32_t>(Verdict::kDrop)
                    : flying.sequence.load() == 0;
            if (!right || control.committed.load() != 0 || !notes(again.segment, kClient)) ++wrong;
          });
      CHECK(wrong == 0);
    }
}
