// The history of crashes and the dead letters: what is kept, how much, in which order, and that
// nobody believes garbage.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <random>

#include "common/segment/dead_letters.hpp"
#include "common/segment/history.hpp"
#include "segment_fixture.hpp"
#include "stepper.hpp"

using namespace peeper;
using namespace peeper::segment;
using peeper::test::TestSegment;

namespace {

using Strings = std::vector<std::string>;

void begin_message(const Segment& segment) {
  Transaction transaction{segment};
  const auto found = segment.mailbox().find<MessageHead>(transaction.mailbox_head(),
                                                         segment.control().mailbox.tail.load());
  REQUIRE(found.status == found.kRecord);
  transaction.begin(Channel::kMailbox, found.position, 1);
}

Death death_of(std::uint32_t incarnation, int signal = SIGSEGV) {
  Death death = test::seen_signal(signal, incarnation);
  death.at_ns = 1000 + incarnation;
  return death;
}

Settled recover(const Segment& segment, const Death& death) {
  REQUIRE(roll_back(segment).has_value());
  const auto settled = settle(segment, death);
  REQUIRE(settled.has_value());
  // As the daemon drains them.
  segment.control().replies.head.store(segment.control().replies.tail.load());
  segment.control().outbox.head.store(segment.control().outbox.tail.load());
  return *settled;
}

// A message of which the worker dies.
Settled drop(const Segment& segment, std::uint32_t incarnation,
             const std::vector<std::string_view>& strings,
             MessageType type = MessageType::kCast) {
  test::push(segment, type, 0, strings);
  begin_message(segment);
  return recover(segment, death_of(incarnation));
}

// As a worker of that incarnation leaves it.
void leave_record(const Segment& segment, std::uint32_t incarnation, std::uint64_t offset) {
  CrashRecord& record = segment.crash();
  record.kind = CrashKind::kSignal;
  record.signal = SIGSEGV;
  record.code = SEGV_MAPERR;
  record.address = 0x10;
  Backtrace& trace = record.backtrace;
  std::strcpy(trace.module[0], "/lib/libc.so.6");
  std::strcpy(trace.module[1], "/lib/peeper/counter.so");
  trace.modules = 2;
  trace.exact = 1;
  trace.frame[0] = {0x77, 1, 0};
  trace.frame[1] = {offset, 2, 0};
  trace.frames.store(2);
  record.incarnation.store(incarnation);
}

std::vector<std::uint64_t> numbers(const std::vector<Letter>& letters) {
  std::vector<std::uint64_t> found;
  for (const Letter& letter : letters) found.push_back(letter.number);
  return found;
}

}  // namespace

TEST_CASE("a crash is in the history with its cause, its place and what was in flight") {
  TestSegment made;
  leave_record(made.segment, 3, 0x1234);
  test::push(made.segment, MessageType::kCall, 5, {"boom", "first", "second"}, {9, 5});
  begin_message(made.segment);
  Death death = death_of(3);
  const Settled settled = recover(made.segment, death);
  CHECK(settled.crash == 1);
  const auto history = read_history(made.segment);
  REQUIRE(history.size() == 1);
  const Crash& crash = history[0];
  CHECK(crash.number == 1);
  CHECK(crash.at_ns == death.at_ns);
  CHECK(crash.incarnation == 3);
  CHECK(crash.sequence == 0);
  CHECK(crash.cause == CrashCause::kSignal);
  CHECK(crash.signal == SIGSEGV);
  CHECK(crash.has_address);
  CHECK(crash.address == 0x10);
  CHECK(crash.text == "SIGSEGV at 0x10");
  CHECK(crash.channel == Channel::kMailbox);
  CHECK(crash.verdict == Verdict::kDrop);
  CHECK(crash.attempt == 1);
  CHECK(crash.name == "boom");
  CHECK(crash.message.type == MessageType::kCall);
  CHECK(crash.message.stream == 9);
  CHECK(crash.strings == Strings{"boom", "first", "second"});
  REQUIRE(crash.backtrace.size() == 2);
  CHECK(crash.backtrace[0].is_exact);
  CHECK(crash.backtrace[1].module == "/lib/peeper/counter.so");
  CHECK(crash.backtrace[1].offset == 0x1234);
  CHECK_FALSE(crash.backtrace[1].is_exact);
}

TEST_CASE("the same recovery, done again, adds nothing to the history") {
  TestSegment made;
  CHECK(drop(made.segment, 7, {"boom"}).crash == 1);
  for (int i = 0; i < 3; ++i) CHECK(recover(made.segment, death_of(7)).crash == 1);
  CHECK(read_history(made.segment).size() == 1);
  // Nor does the next daemon's, which knows of no death.
  WorkerStatus& status = made.segment.control().worker;
  status.incarnation.store(7);
  status.phase.store(Phase::kReady);
  CHECK(recover(made.segment, Death{}).crash == 0);
  CHECK(read_history(made.segment).size() == 1);
  // But what it does not know yet it adds.
  status.incarnation.store(8);
  CHECK(recover(made.segment, Death{}).crash == 2);
  CHECK(recover(made.segment, Death{}).crash == 0);
  CHECK(read_history(made.segment).back().cause == CrashCause::kUnseen);
}

TEST_CASE("an end in order is no crash, whoever looks at it later") {
  TestSegment made;
  WorkerStatus& status = made.segment.control().worker;
  status.incarnation.store(4);
  status.phase.store(Phase::kStopped);
  Death death = test::seen_signal(0, 4);
  death.is_crash = false;
  CHECK(recover(made.segment, death).crash == 0);
  CHECK(recover(made.segment, Death{}).crash == 0);
  CHECK(read_history(made.segment).empty());
}

TEST_CASE("crashes at the same place are counted, however else they differ") {
  TestSegment made;
  const auto crash_at = [&](std::uint32_t incarnation, std::uint64_t offset,
                            std::string_view message) {
    leave_record(made.segment, incarnation, offset);
    (void)drop(made.segment, incarnation, {message});
    return read_history(made.segment).back().count;
  };
  CHECK(crash_at(1, 0x100, "a") == 1);
  CHECK(crash_at(2, 0x200, "a") == 1);
  CHECK(crash_at(3, 0x100, "b") == 2);  // that libc's frame is the same tells nothing
  CHECK(crash_at(4, 0x100, "c") == 3);
  CHECK(crash_at(5, 0x200, "d") == 2);
}

TEST_CASE("the history keeps the last crashes, and their counts go on") {
  TestSegment made;
  for (std::uint32_t i = 1; i <= 3 * kMostCrashes + 5; ++i)
    CHECK(drop(made.segment, i, {"boom"}).crash == i);
  const auto history = read_history(made.segment);
  REQUIRE(history.size() == kMostCrashes);
  for (std::size_t i = 0; i < history.size(); ++i)
    CHECK(history[i].number == 2 * kMostCrashes + 6 + i);
  CHECK(history.back().count == 3 * kMostCrashes + 5);
}

TEST_CASE("a long message is cut in the history and whole among the dead letters") {
  TestSegment made;
  const std::string large(20'000, 'x');
  test::push(made.segment, MessageType::kCast, 0, {"boom", "first", large, "last"});
  begin_message(made.segment);
  (void)recover(made.segment, death_of(1));
  const Crash crash = read_history(made.segment).back();
  CHECK(crash.message.strings == 4);
  REQUIRE(crash.strings.size() >= 2);
  CHECK(crash.strings[1] == "first");
  CHECK(crash.strings[2] == large.substr(0, crash.strings[2].size()));
  const auto letters = read_letters(made.segment);
  REQUIRE(letters.size() == 1);
  CHECK(letters[0].strings == Strings{"boom", "first", large, "last"});
  CHECK(letters[0].incarnation == 1);
  CHECK(letters[0].cause == "SIGSEGV");
  CHECK(letters[0].number == 1);
  CHECK(letters[0].at_ns == crash.at_ns);
}

TEST_CASE("what a message of sys died of is in the history, but it is no dead letter") {
  TestSegment made;
  (void)drop(made.segment, 1, {"sys get_state"}, MessageType::kGetState);
  CHECK(read_history(made.segment).size() == 1);
  CHECK(read_letters(made.segment).empty());
}

TEST_CASE("random dead letters: the newest are kept, whole and in order, the rest is counted") {
  std::mt19937_64 random{20261126};
  TestSegment made;
  std::vector<std::vector<std::string>> model;  // by number - 1
  std::vector<std::uint64_t> gone;
  const std::uint64_t most = largest_record(made.segment.mailbox().bytes());
  for (std::uint32_t i = 1; i <= 400; ++i) {
    CAPTURE(i);
    const std::uint64_t room = most - sizeof(MessageHead) - 64;
    const std::string large(random() % 8 == 0 ? room - random() % 64 : random() % 3000, 'y');
    const std::string name = "message " + std::to_string(i);
    REQUIRE(drop(made.segment, i, {name, large}).verdict == Verdict::kDrop);
    model.push_back({name, large});
    const auto letters = read_letters(made.segment);
    REQUIRE_FALSE(letters.empty());
    CHECK(letters.back().number == i);
    for (const Letter& letter : letters) REQUIRE(letter.strings == model[letter.number - 1]);
    CHECK(made.segment.control().letters.lost.load() + letters.size() + gone.size() == i);
    if (random() % 3 == 0) {
      const std::uint64_t number = letters[random() % letters.size()].number;
      mark_gone(made.segment, number);
      gone.push_back(number);
      CHECK(read_letters(made.segment, number).empty());
      CHECK(count_letters(made.segment) == letters.size() - 1);
    }
  }
}

TEST_CASE("more dead letters than there are places for marks push the oldest out") {
  TestSegment made;
  for (std::uint32_t i = 1; i <= kMostLetters + 3; ++i) {
    test::push(made.segment, MessageType::kCast, 0, {"m"});
    begin_message(made.segment);
    (void)recover(made.segment, death_of(i));
  }
  const auto letters = read_letters(made.segment);
  REQUIRE_FALSE(letters.empty());
  CHECK(letters.size() <= kMostLetters);
  CHECK(letters.back().number == kMostLetters + 3);
  mark_gone(made.segment, letters.front().number);
  CHECK(numbers(read_letters(made.segment)).front() == letters.front().number + 1);
}

TEST_CASE("making room for a dead letter, killed at any instruction, leaves whole letters") {
  TestSegment running;
  const std::string large(25'000, 'z');
  for (std::uint32_t i = 1; i <= 3; ++i) (void)drop(running.segment, i, {"old", large});
  REQUIRE(numbers(read_letters(running.segment)) == std::vector<std::uint64_t>{2, 3});
  test::push(running.segment, MessageType::kCast, 0, {"new", large.substr(0, 20'000)});
  begin_message(running.segment);
  TestSegment again;
  std::uint64_t wrong = 0;
  std::uint64_t before = 0;
  std::uint64_t after = 0;
  test::step_through(
      [&] {
        (void)roll_back(running.segment);
        if (!settle(running.segment, death_of(4)).has_value()) ::_exit(1);
      },
      [&](std::uint64_t step) {
        if (step % 7 != 0) return;
        std::memcpy(again.bytes().data(), running.bytes().data(), running.bytes().size());
        const auto is_whole = [&](const Letter& letter) {
          return letter.number == 4 ? letter.strings == Strings{"new", large.substr(0, 20'000)}
                                    : letter.strings == Strings{"old", large};
        };
        // As a daemon sees it at that moment, and after the next recovery.
        const auto seen = read_letters(again.segment);
        ++(numbers(seen).empty() || numbers(seen).back() != 4 ? before : after);
        bool right = std::ranges::all_of(seen, is_whole);
        right = right && roll_back(again.segment).has_value() &&
                settle(again.segment, death_of(4)).has_value();
        const auto then = read_letters(again.segment);
        right = right && !then.empty() && then.back().number == 4 &&
                std::ranges::all_of(then, is_whole) && read_history(again.segment).size() == 4;
        if (!right) ++wrong;
      });
  CHECK(wrong == 0);
  CHECK(before > 100);
  CHECK(after > 0);
}

TEST_CASE("garbage among crashes and letters is left out, never read beyond, and ends nothing") {
  std::mt19937_64 random{11};
  for (int round = 0; round < 60; ++round) {
    TestSegment made;
    for (std::uint32_t i = 1; i <= 6; ++i) {
      leave_record(made.segment, i, 0x100 * i);
      (void)drop(made.segment, i, {"boom", "argument"});
    }
    const auto history = std::as_writable_bytes(made.segment.history());
    auto* letters = made.segment.letters().at(0);
    const int hits = round < 30 ? 40 : 4000;
    for (int i = 0; i < hits; ++i) {
      history[random() % (6 * sizeof(CrashEntry))] = static_cast<std::byte>(random());
      letters[random() % 2048] = static_cast<std::byte>(random());
    }
    if (round % 3 == 0) made.segment.control().letters.tail.store(random());
    if (round % 5 == 0) made.segment.control().letters.head.store(random() & ~7ULL);
    for (const Crash& crash : read_history(made.segment)) {
      CHECK(crash.strings.size() <= sizeof CrashEntry::body);
      CHECK(crash.backtrace.size() <= kMostFrames);
      CHECK(printable(crash.text, crash.text.size()) == crash.text);
      CHECK(printable(crash.name, crash.name.size()) == crash.name);
    }
    (void)read_letters(made.segment);
    (void)count_letters(made.segment);
  }
}

TEST_CASE("dead letters whose ends contradict each other are damage, with its remedy") {
  TestSegment made;
  (void)drop(made.segment, 1, {"boom"});
  made.segment.control().letters.head.store(1 << 30);
  const auto rolled = roll_back(made.segment);
  REQUIRE_FALSE(rolled.has_value());
  CHECK(rolled.error().what.find("dead letters' ends") != std::string::npos);
  CHECK(rolled.error().what.find("rm " + made.id.path()) != std::string::npos);
}
