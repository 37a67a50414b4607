// What is seen of a heap by who only looks: the last commit, or that it isn't that any more.
#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>
#include <random>

#include "common/segment/picture.hpp"
#include "segment_look.hpp"

using namespace peeper;
using namespace peeper::segment;
using namespace peeper::test;

namespace {

// In one transaction, which commits.
void commit_something(const Segment& segment, std::uint8_t with) {
  commit_pages(segment, {0, 3}, with);
}

std::string refusal(Picture& picture) {
  const auto taken = picture.take();
  return taken ? std::string() : taken.error().what;
}

}  // namespace

TEST_CASE("picture: it shows the last commit while a message is half done, and writes nothing") {
  TestSegment made;
  commit_something(made.segment, 0x11);
  const auto before = made.heap();
  Transaction transaction{made.segment};
  transaction.begin(Channel::kStart, 0, 1);
  overwrite(transaction, made.segment, 0, 0xEE);
  overwrite(transaction, made.segment, 5, 0xEE);
  const std::vector<std::byte> all(made.bytes().begin(), made.bytes().end());

  const Segment looked = look_at(made);
  Picture picture{looked};
  REQUIRE(picture.take().has_value());
  CHECK(shows(picture, before));
  CHECK(picture.holds());
  CHECK(picture.sequence() == 1);
  CHECK(std::memcmp(all.data(), made.bytes().data(), all.size()) == 0);

  // What it has put back may be written on; a page it hasn't may not.
  std::memset(made.segment.heap().data(), 0xDD, kPageBytes);
  CHECK(picture.holds());
  CHECK(shows(picture, before));
  overwrite(transaction, made.segment, 7, 0xEE);
  CHECK_FALSE(picture.holds());
  REQUIRE(picture.take().has_value());
  CHECK(shows(picture, before));
  CHECK(picture.holds());

  transaction.commit(transaction.mailbox_head());
  CHECK_FALSE(picture.holds());
  REQUIRE(picture.take().has_value());
  CHECK(shows(picture, made.heap()));
  CHECK(picture.sequence() == 2);
}

TEST_CASE("picture: of a server at rest it holds until a message begins") {
  TestSegment made;
  commit_something(made.segment, 0x11);
  const Segment looked = look_at(made);
  Picture picture{looked};
  REQUIRE(picture.take().has_value());
  CHECK(shows(picture, made.heap()));
  CHECK(picture.holds());
  Transaction transaction{made.segment};
  transaction.begin(Channel::kStart, 0, 1);
  CHECK_FALSE(picture.holds());
}

TEST_CASE("picture: it holds through a rollback, and no longer when the message is dropped") {
  TestSegment made;
  commit_something(made.segment, 0x11);
  test::push(made.segment, MessageType::kCast, 0, {"half"});
  const auto before = made.heap();
  {
    Transaction transaction{made.segment};
    transaction.begin(Channel::kMailbox, 0, 1);
    overwrite(transaction, made.segment, 0, 0xEE);
  }
  const Segment looked = look_at(made);
  Picture picture{looked};
  REQUIRE(picture.take().has_value());
  REQUIRE(roll_back(made.segment).has_value());
  CHECK(picture.holds());
  CHECK(shows(picture, before));
  // Its entries are forgotten before it commits: a page read in between may be from before the
  // rollback.
  Transaction drop{made.segment};
  drop.begin_drop();
  CHECK_FALSE(picture.holds());
  REQUIRE(settle(made.segment, test::seen_signal(SIGKILL)).has_value());
  CHECK_FALSE(picture.holds());
  REQUIRE(picture.take().has_value());
  CHECK(shows(picture, before));
  CHECK(picture.sequence() == 2);
}

TEST_CASE("picture: it doesn't hold once a message was begun, undone and begun again") {
  TestSegment made;
  commit_something(made.segment, 0x11);
  Transaction transaction{made.segment};
  transaction.begin(Channel::kStart, 0, 1);
  const Segment looked = look_at(made);
  Picture picture{looked};
  REQUIRE(picture.take().has_value());
  CHECK(picture.holds());
  overwrite(transaction, made.segment, 0, 0xEE);
  const std::byte seen = picture.heap()[0];
  transaction.journal().restore();
  transaction.begin_drop();
  CHECK(seen == std::byte{0xEE});
  CHECK_FALSE(picture.holds());
}

TEST_CASE("picture: garbage is refused, whatever of the segment it is") {
  const auto after = [](const auto& spoil) {
    TestSegment made;
    commit_something(made.segment, 0x11);
    Transaction transaction{made.segment};
    transaction.begin(Channel::kStart, 0, 1);
    overwrite(transaction, made.segment, 0, 0xEE);
    const Segment looked = look_at(made);
    spoil(made.segment);
    Picture picture{looked};
    const std::string why = refusal(picture);
    CHECK(picture.holds());
    return why;
  };
  using S = const Segment&;
  const auto has = [](const std::string& text, std::string_view part) {
    CAPTURE(text);
    return text.find(part) != std::string::npos;
  };
  CHECK(after([](S) {}) == "");
  CHECK(has(after([](S s) { s.control().journal.count.store(1ULL << 40); }), "more pages"));
  CHECK(has(after([](S s) { s.journal_index()[0] = 1 << 20; }), "out of range"));
  CHECK(has(after([](S s) { s.control().slot[1].sequence = 9; }), "slot"));
  CHECK(has(after([](S s) { s.control().worker.heap_reserved.store(1ULL << 40); }), "more heap"));
  CHECK(has(after([](S s) { s.control().worker.heap_reserved.store(4097); }), "more heap"));
  CHECK(has(after([](S s) { s.control().slot[1].begin_anew = 1; }), "given up"));
  CHECK(has(after([](S s) { s.header().current.store(7); }), "header"));
  TestSegment fresh;
  const Segment looked = look_at(fresh);
  Picture picture{looked};
  CHECK(has(refusal(picture), "has no State yet"));
}

namespace {

// Two pages with the number of the commit on both; some transactions are rolled back and begun
// again, some of those dropped, as a keeper does it.
[[noreturn]] void commit_for_ever(const Segment& segment, std::uint64_t seed) {
  std::mt19937_64 random{seed};
  const auto write = [&](Transaction& transaction, std::uint64_t page, std::uint64_t number) {
    transaction.journal().save(page, 1);
    std::memcpy(segment.heap().data() + page * kPageBytes, &number, sizeof number);
    if (random() % 4 == 0) ::usleep(random() % 100);
  };
  while (true) {
    Transaction transaction{segment};
    const std::uint64_t number = transaction.sequence() + 1;
    while (random() % 3 == 0) {
      transaction.begin(Channel::kStart, 0, 1);
      write(transaction, 2, ~number);
      write(transaction, 9, random());
      transaction.journal().restore();
      if (random() % 2 == 0) transaction.begin_drop();
      if (random() % 4 == 0) ::usleep(random() % 100);
    }
    transaction.begin(Channel::kStart, 0, 1);
    write(transaction, 2, number);
    write(transaction, 9, number);
    transaction.commit(transaction.mailbox_head());
    if (random() % 2 == 0) ::usleep(random() % 200);
  }
}

}  // namespace

TEST_CASE("picture: while commits and rollbacks go on, each that holds is of one commit") {
  TestSegment made;
  const auto seed = static_cast<std::uint64_t>(std::random_device{}());
  CAPTURE(seed);
  const Beside writer{[&] { commit_for_ever(made.segment, seed); }};
  const Segment looked = look_at(made);
  Picture picture{looked};
  std::uint64_t held = 0;
  std::uint64_t moved = 0;
  std::uint64_t wrong = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while ((held < 2000 || moved < 2000) && std::chrono::steady_clock::now() < until) {
    const auto taken = picture.take();
    if (!taken) {
      if (taken.error().system_error == EAGAIN) ++moved;
      continue;
    }
    const std::byte* heap = picture.heap().data();
    std::uint64_t first = 0;
    std::uint64_t second = 0;
    std::memcpy(&first, heap + 2 * kPageBytes, sizeof first);
    if (held % 3 == 0) ::usleep(20);
    std::memcpy(&second, heap + 9 * kPageBytes, sizeof second);
    if (!picture.holds()) {
      ++moved;
      continue;
    }
    ++held;
    if (first != second || first != picture.sequence()) ++wrong;
  }
  MESSAGE("pictures that held: " << held << ", that didn't: " << moved);
  CHECK(wrong == 0);
  CHECK(held > 100);
  CHECK(moved > 10);
}
