// Rings, transactions, judgement and recovery, each against what a plain model says.
#include <doctest/doctest.h>

#include <csignal>
#include <random>

#include "common/segment/death.hpp"
#include "segment_fixture.hpp"

using namespace peeper;
using namespace peeper::segment;
using peeper::test::TestSegment;

namespace {

// Runs the message at the mailbox's head: overwrites `pages`, replies.
void run(const Segment& segment, const std::vector<std::uint64_t>& pages, bool commits,
         std::uint8_t with) {
  Transaction transaction{segment};
  const auto found = segment.mailbox().find<MessageHead>(transaction.mailbox_head(),
                                                         segment.control().mailbox.tail.load());
  REQUIRE(found.status == found.kRecord);
  transaction.begin(Channel::kMailbox, found.position, 1);
  for (const std::uint64_t page : pages) {
    transaction.journal().save(page, 1);
    std::memset(segment.heap().data() + page * kPageBytes, with, kPageBytes);
  }
  std::byte* room = transaction.add_reply(found.head.request, found.head.epoch, 5);
  REQUIRE(room != nullptr);
  std::memcpy(room, "+OK\r\n", 5);
  if (commits) transaction.commit(found.position + found.head.bytes);
}

std::string damage_of(const Segment& segment) {
  const auto rolled = roll_back(segment);
  if (!rolled) return rolled.error().what;
  const auto settled = settle(segment, test::seen_signal(SIGSEGV));
  return settled ? std::string() : settled.error().what;
}

}  // namespace

TEST_CASE("records of any size lie in the ring in one piece and come out in order") {
  std::mt19937_64 random{20261122};
  std::vector<std::byte> memory(4096);
  const Ring ring{memory.data(), memory.size()};
  std::uint64_t head = 0;
  std::uint64_t tail = 0;
  std::uint64_t written = 0;
  std::uint64_t read = 0;
  for (int round = 0; round < 20'000; ++round) {
    const std::uint64_t bytes =
        align8(sizeof(MessageHead) + random() % (largest_record(4096) - sizeof(MessageHead) - 7));
    if (const auto place = place_record(head, tail, 4096, bytes); place && random() % 3 != 0) {
      REQUIRE(place->end - head <= 4096);
      ring.write_pad(tail, place->pad);
      MessageHead record{};
      record.bytes = static_cast<std::uint32_t>(bytes);
      record.type = MessageType::kCast;
      record.request = written++;
      record.strings = 1;
      std::memcpy(ring.at(place->start), &record, sizeof record);
      tail = place->end;
    } else if (head != tail) {
      const auto found = ring.find<MessageHead>(head, tail);
      REQUIRE(found.status == found.kRecord);
      REQUIRE(found.head.request == read++);
      head = found.position + found.head.bytes;
    }
  }
  CHECK(read > 1000);
}

TEST_CASE("an empty ring has room for the largest record wherever its ends are") {
  for (std::uint64_t at = 0; at < 4096; at += 8)
    CHECK(place_record(at, at, 4096, largest_record(4096)).has_value());
}

TEST_CASE("a ring full of garbage is malformed, never read beyond") {
  std::mt19937_64 random{7};
  for (int round = 0; round < 20'000; ++round) {
    std::vector<std::byte> memory(512);
    for (auto& byte : memory) byte = static_cast<std::byte>(random() % 5 == 0 ? random() : 0);
    const Ring ring{memory.data(), memory.size()};
    const std::uint64_t position = random() % 80 * 8;
    const std::uint64_t tail = position + random() % 66 * 8;
    const auto found = ring.find<MessageHead>(position, tail);
    if (found.status != found.kRecord) continue;
    CHECK(found.body.data() + found.body.size() <= memory.data() + memory.size());
    (void)read_strings(found.head, found.body, [&](std::string_view text) {
      REQUIRE(text.data() + text.size() <=
              reinterpret_cast<const char*>(memory.data() + memory.size()));
    });
  }
}

TEST_CASE("random transactions, some dying, leave the heap of the committed ones") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    TestSegment made;
    std::vector<std::byte> model = made.heap();
    std::uint64_t committed = 0;
    for (int round = 0; round < 200; ++round) {
      test::push(made.segment, MessageType::kCast, 0, {"write"});
      std::vector<std::uint64_t> pages(16);
      for (std::uint64_t page = 0; page < 16; ++page) pages[page] = page;
      std::shuffle(pages.begin(), pages.end(), random);
      pages.resize(random() % 16);
      const auto with = static_cast<std::uint8_t>(random());
      const bool commits = random() % 2 == 0;
      run(made.segment, pages, commits, with);
      if (commits) {
        ++committed;
        for (const std::uint64_t page : pages)
          std::memset(model.data() + page * kPageBytes, with, kPageBytes);
      } else {
        for (std::uint64_t again = random() % 3 + 1; again > 0; --again) {
          const auto rolled = roll_back(made.segment);
          REQUIRE(rolled.has_value());
          CHECK(rolled->pages_restored == pages.size());
        }
        REQUIRE(settle(made.segment, test::seen_signal(SIGKILL)).has_value());
        ++committed;  // the drop is a transaction too
      }
      REQUIRE(made.heap() == model);
      REQUIRE(made.segment.control().committed.load() == committed);
      made.segment.control().replies.head.store(made.segment.control().replies.tail.load());
    }
  }
}

TEST_CASE("a message whose death nobody saw runs again, but not for ever") {
  TestSegment made;
  test::push(made.segment, MessageType::kCast, 0, {"poison"});
  for (std::uint32_t attempt = 1; attempt < kMostUnseenAttempts; ++attempt) {
    run(made.segment, {0}, false, 1);
    REQUIRE(roll_back(made.segment).has_value());
    CHECK(settle(made.segment, Death{})->verdict == Verdict::kRunAgain);
  }
  run(made.segment, {0}, false, 1);
  REQUIRE(roll_back(made.segment).has_value());
  const auto settled = settle(made.segment, Death{});
  CHECK(settled->verdict == Verdict::kDrop);
  CHECK(settled->message == "poison");
  // Once dropped there is nothing to judge any more.
  REQUIRE(roll_back(made.segment).has_value());
  CHECK(settle(made.segment, Death{})->verdict == Verdict::kNothing);
}

TEST_CASE("a death that was seen drops the message at once and tells its caller why") {
  TestSegment made;
  test::push(made.segment, MessageType::kCall, 5, {"boom", "argument"});
  run(made.segment, {0, 3}, false, 1);
  CrashRecord& record = made.segment.crash();
  record.kind = CrashKind::kSignal;
  record.signal = SIGSEGV;
  record.code = SEGV_MAPERR;
  record.address = 0xabc;
  record.incarnation.store(3);
  REQUIRE(roll_back(made.segment).has_value());
  REQUIRE(settle(made.segment, test::seen_signal(SIGSEGV, 3)).has_value());
  CHECK(test::replies(made.segment) ==
        std::vector<std::string>{"-CRASHED server: SIGSEGV at 0xabc in 'boom'\r\n"});
}

TEST_CASE("a caller of an earlier daemon is not answered") {
  TestSegment made;
  test::push(made.segment, MessageType::kCall, 5, {"boom"});
  made.segment.control().replies.epoch.fetch_add(1);
  run(made.segment, {}, false, 1);
  REQUIRE(roll_back(made.segment).has_value());
  CHECK(settle(made.segment, test::seen_signal(SIGSEGV))->verdict == Verdict::kDrop);
  CHECK(test::replies(made.segment).empty());
}

TEST_CASE("a dropped message of another server is kept in mind until a worker has noted it") {
  TestSegment made;
  const Control& control = made.segment.control();
  const auto kept = [&] { return control.slot[control.committed.load() & 1].dropped; };
  test::push(made.segment, MessageType::kCast, 0, {"poison"}, {9, 5});
  run(made.segment, {0}, false, 1);
  REQUIRE(roll_back(made.segment).has_value());
  REQUIRE(settle(made.segment, test::seen_signal(SIGSEGV)).has_value());
  CHECK(kept().stream == 9);
  CHECK(kept().number == 5);
  // A worker that commits something else first, dies while it notes it, and one that does.
  for (const bool commits : {true, false, true}) {
    Transaction transaction{made.segment};
    CHECK(transaction.dropped().stream == 9);
    transaction.begin(Channel::kStart, 0, 1);
    if (transaction.sequence() > 1) transaction.set_dropped({});
    if (commits) transaction.commit(transaction.mailbox_head());
    REQUIRE(roll_back(made.segment).has_value());
    REQUIRE(settle(made.segment, test::seen_signal(SIGSEGV)).has_value());
  }
  CHECK(control.committed.load() == 3);
  CHECK(kept().stream == 0);
}

TEST_CASE("an idle worker's death judges no message") {
  TestSegment made;
  test::push(made.segment, MessageType::kCast, 0, {"done"});
  run(made.segment, {1}, true, 1);
  test::push(made.segment, MessageType::kCast, 0, {"waiting"});
  REQUIRE(roll_back(made.segment).has_value());
  CHECK(settle(made.segment, test::seen_signal(SIGKILL))->verdict == Verdict::kNothing);
}

TEST_CASE("dropping waits for room in the replies, and changes nothing until then") {
  TestSegment made;
  test::push(made.segment, MessageType::kCall, 5, {"boom"});
  run(made.segment, {}, false, 1);
  Control& control = made.segment.control();
  // As if the daemon had read nothing of a whole ring.
  control.slot[0].reply_tail = made.segment.replies().bytes();
  REQUIRE(roll_back(made.segment).has_value());
  const auto settled = settle(made.segment, test::seen_signal(SIGSEGV));
  REQUIRE_FALSE(settled.has_value());
  CHECK(settled.error().system_error == EAGAIN);
  CHECK(control.committed.load() == 0);
  control.replies.head.store(made.segment.replies().bytes());
  CHECK(settle(made.segment, test::seen_signal(SIGSEGV)).has_value());
  CHECK(control.committed.load() == 1);
}

TEST_CASE("a message dropped with nobody watching waits for no room: nobody is left to be told") {
  TestSegment made;
  test::push(made.segment, MessageType::kCall, 5, {"poison"});
  for (std::uint32_t attempt = 1; attempt < kMostUnseenAttempts; ++attempt) {
    run(made.segment, {}, false, 1);
    REQUIRE(roll_back(made.segment).has_value());
    REQUIRE(settle(made.segment, Death{})->verdict == Verdict::kRunAgain);
  }
  run(made.segment, {}, false, 1);
  // The dead daemon had read nothing of a whole ring, and the next one isn't there yet.
  made.segment.control().slot[0].reply_tail = made.segment.replies().bytes();
  REQUIRE(roll_back(made.segment).has_value());
  const auto settled = settle(made.segment, Death{});
  REQUIRE(settled.has_value());
  CHECK(settled->verdict == Verdict::kDrop);
  CHECK(made.segment.control().committed.load() == 1);
}

TEST_CASE("garbage in a segment is reported with its remedy, not believed") {
  const auto after = [](auto damage) {
    TestSegment made;
    test::push(made.segment, MessageType::kCall, 5, {"boom"});
    run(made.segment, {0, 1}, false, 1);
    damage(made.segment);
    const std::string text = damage_of(made.segment);
    CHECK(text.find("rm " + made.id.path()) != std::string::npos);
    return text;
  };
  using S = const Segment&;
  const auto has = [](const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
  };
  CHECK(has(after([](S s) { s.control().slot[0].sequence = 9; }), "slot"));
  CHECK(has(after([](S s) { s.control().committed.store(77); }), "slot"));
  CHECK(has(after([](S s) { s.control().slot[0].mailbox_head = 1 << 20; }), "mailbox's ends"));
  CHECK(has(after([](S s) { s.control().mailbox.tail.store(~0ULL); }), "mailbox's ends"));
  CHECK(has(after([](S s) { s.control().slot[0].reply_tail = ~0ULL; }), "replies' ends"));
  CHECK(has(after([](S s) { s.control().journal.count.store(1ULL << 40); }), "more pages"));
  CHECK(has(after([](S s) { s.journal_index()[1] = 0xffffffff; }), "out of range"));
  CHECK(has(after([](S s) { s.control().worker.heap_reserved.store(~0ULL); }), "reserved"));
  CHECK(has(after([](S s) { s.control().in_flight.position = 512; }), "isn't in the mailbox"));
  CHECK(has(after([](S s) { std::memset(s.mailbox().at(0), 0xff, 64); }), "isn't in the mailbox"));
  CHECK(has(after([](S s) { std::memset(s.mailbox().at(sizeof(MessageHead)), 0xff, 8); }), "malformed"));
}

TEST_CASE("a death is described by what is known of it") {
  CrashReport report;
  CHECK(describe({Observed::kSeen, SIGKILL, 1}, report) == "SIGKILL");
  CHECK(describe({Observed::kSeen, 3 << 8, 1}, report) == "exit status 3");
  CHECK(describe({Observed::kNobodySaw, 0, 0}, report) == "died while no daemon watched");
  report = {CrashKind::kSignal, SIGSEGV, 0x10, true, FaultHint::kStackOverflow, ""};
  CHECK(describe({Observed::kSeen, SIGSEGV, 1}, report) == "SIGSEGV at 0x10 (stack overflow)");
  // A record that contradicts the wait status is not believed.
  CHECK(describe({Observed::kSeen, SIGBUS, 1}, report) == "SIGBUS");
  report = {CrashKind::kException, 0, 0, false, FaultHint::kNone, "std::runtime_error: boom"};
  CHECK(describe({Observed::kSeen, kExitException << 8, 1}, report) == "std::runtime_error: boom");
  CHECK(describe({Observed::kSeen, 1 << 8, 1}, report) == "exit status 1");
}

TEST_CASE("a crash record is copied bounded and printable, and only if it is the worker's own") {
  TestSegment made;
  CrashRecord& record = made.segment.crash();
  record.kind = CrashKind::kException;
  std::memset(record.text, '\n', sizeof record.text);
  record.text_bytes = ~0U;
  record.incarnation.store(4);
  CHECK(read_crash(record, 4).text == std::string(sizeof record.text, '?'));
  CHECK(read_crash(record, 5).kind == CrashKind::kNone);
  record.kind = static_cast<CrashKind>(99);
  CHECK(read_crash(record, 4).kind == CrashKind::kNone);
}

TEST_CASE("signals are known by name and number") {
  CHECK(signal_name(SIGSEGV) == "SIGSEGV");
  CHECK(signal_number("SIGSEGV") == SIGSEGV);
  CHECK(signal_number("term") == SIGTERM);
  CHECK(signal_number("9") == SIGKILL);
  CHECK(signal_number("0") == 0);
  CHECK(signal_number("9999") == 0);
  CHECK(signal_number("nonsense") == 0);
}
