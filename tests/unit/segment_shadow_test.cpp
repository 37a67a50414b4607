// A copy of a heap that follows the commits: always one of them, byte for byte, whatever happens
// between them.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <set>
#include <vector>

#include "common/segment/shadow.hpp"
#include "segment_look.hpp"

using namespace peeper;
using namespace peeper::segment;
using namespace peeper::test;

namespace {

// More than has memory at first.
Wanted growing_segment() { return {"behaviour", 1024 * 1024, 64 * 1024}; }

}  // namespace

TEST_CASE("shadow: it is the last commit, also while the next message is half done") {
  TestSegment made;
  const Segment looked = look_at(made);
  Shadow shadow{looked};
  const auto nothing = shadow.refresh();
  REQUIRE_FALSE(nothing.has_value());
  CHECK(nothing.error().what.find("has no State yet") != std::string::npos);

  commit_pages(made.segment, {0, 3}, 0x11);
  REQUIRE(shadow.refresh().has_value());
  CHECK(shows(shadow, made.heap()));
  CHECK(shadow.sequence() == 1);

  commit_pages(made.segment, {3, 7}, 0x22);
  const auto before = made.heap();
  Transaction transaction{made.segment};
  transaction.begin(Channel::kStart, 0, 1);
  overwrite(transaction, made.segment, 0, 0xEE);
  REQUIRE(shadow.refresh().has_value());
  CHECK(shows(shadow, before));
  CHECK(shadow.sequence() == 2);

  // It stays so for who looks at it, whatever comes.
  overwrite(transaction, made.segment, 7, 0xEE);
  transaction.commit(transaction.mailbox_head());
  commit_pages(made.segment, {3}, 0x33);
  CHECK(shows(shadow, before));
  REQUIRE(shadow.refresh().has_value());
  CHECK(shows(shadow, made.heap()));
  CHECK(shadow.sequence() == 4);
}

TEST_CASE("shadow: what a worker wrote before it died is not in it, seen before or after") {
  TestSegment made;
  commit_pages(made.segment, {0, 3}, 0x11);
  const auto before = made.heap();
  const Segment looked = look_at(made);
  Shadow early{looked};
  Shadow late{looked};
  test::push(made.segment, MessageType::kCast, 0, {"half"});
  {
    Transaction transaction{made.segment};
    transaction.begin(Channel::kMailbox, 0, 1);
    overwrite(transaction, made.segment, 0, 0xEE);
    overwrite(transaction, made.segment, 5, 0xEE);
    REQUIRE(early.refresh().has_value());
    CHECK(shows(early, before));
    // The last thing it did: its pages bear the sequence of a commit that never came.
    transaction.journal().sign(2);
  }
  REQUIRE(roll_back(made.segment).has_value());
  REQUIRE(settle(made.segment, test::seen_signal(SIGKILL)).has_value());
  for (Shadow* shadow : {&early, &late}) {
    REQUIRE(shadow->refresh().has_value());
    CHECK(shows(*shadow, before));
  }
  commit_pages(made.segment, {5}, 0x22);
  for (Shadow* shadow : {&early, &late}) {
    REQUIRE(shadow->refresh().has_value());
    CHECK(shows(*shadow, made.heap()));
  }
}

TEST_CASE("shadow: it follows a heap that grows, and says of garbage that it is") {
  TestSegment made{growing_segment()};
  commit_pages(made.segment, {0}, 0x11);
  const Segment looked = look_at(made);
  Shadow shadow{looked};
  REQUIRE(shadow.refresh().has_value());
  const std::uint64_t bytes = shadow.heap().size();
  REQUIRE(made.segment.reserve_heap(bytes + kPageBytes).has_value());
  commit_pages(made.segment, {bytes / kPageBytes}, 0x22);
  REQUIRE(shadow.refresh().has_value());
  CHECK(shadow.heap().size() == bytes + kPageBytes);
  auto heap = made.heap();
  heap.resize(bytes + kPageBytes);
  CHECK(shows(shadow, heap));

  const auto why = [&] {
    const auto refreshed = shadow.refresh();
    return refreshed ? std::string() : refreshed.error().what;
  };
  Transaction transaction{made.segment};
  transaction.begin(Channel::kStart, 0, 1);
  overwrite(transaction, made.segment, 0, 0xEE);
  Control& control = made.segment.control();
  control.journal.count.store(1ULL << 40);
  CHECK(why().find("more pages") != std::string::npos);
  control.journal.count.store(1);
  made.segment.journal_index()[0] = 1 << 20;
  CHECK(why().find("out of range") != std::string::npos);
  made.segment.journal_index()[0] = 0;
  control.worker.heap_reserved.store(1ULL << 40);
  CHECK(why().find("more heap") != std::string::npos);
  control.worker.heap_reserved.store(bytes + kPageBytes);
  CHECK(why() == "");
}

TEST_CASE("shadow: an image put back in vain is not believed later") {
  TestSegment made;
  commit_pages(made.segment, {0, 5}, 0x11);
  const Segment looked = look_at(made);
  Shadow shadow{looked};
  REQUIRE(shadow.refresh().has_value());
  Transaction transaction{made.segment};
  transaction.begin(Channel::kStart, 0, 1);
  overwrite(transaction, made.segment, 0, 0xEE);
  overwrite(transaction, made.segment, 5, 0xEE);
  // As when the entries of another message are being written over these.
  made.segment.journal_index()[0] = 1 << 20;
  std::memset(made.segment.journal_pages() + kPageBytes, 0xDD, kPageBytes);
  REQUIRE_FALSE(shadow.refresh().has_value());
  for (const std::uint64_t page : {0, 5})
    std::memset(made.segment.heap().data() + page * kPageBytes, 0x11, kPageBytes);
  transaction.begin_drop();
  transaction.commit(transaction.mailbox_head());
  REQUIRE(shadow.refresh().has_value());
  CHECK(shows(shadow, made.heap()));
}

namespace {

// A worker that commits, page after page, for ever.
struct Load {
  std::uint64_t seed;
  std::uint64_t pages;  // of the heap that it writes
  unsigned most_spins;  // between two commits
};

// The pages that transaction `number` writes.
std::vector<std::uint64_t> pages_of(const Load& load, std::uint64_t number) {
  std::mt19937_64 random{load.seed + number * 0x9e37'79b9'7f4a'7c15};
  std::set<std::uint64_t> pages;
  const std::uint64_t count = 1 + random() % 6;
  while (pages.size() < count) pages.insert(random() % load.pages);
  return {pages.begin(), pages.end()};
}

// Each page has its number at both ends; some are undone and begun again, some of those dropped.
[[noreturn]] void commit_for_ever(const Segment& segment, const Load& load) {
  std::mt19937_64 random{load.seed};
  const auto write = [&](Transaction& transaction, std::uint64_t page, std::uint64_t number) {
    transaction.journal().save(page, 1);
    std::byte* start = segment.heap().data() + page * kPageBytes;
    std::memcpy(start, &number, sizeof number);
    if (random() % 64 == 0) ::usleep(random() % 50);
    std::memcpy(start + kPageBytes - sizeof number, &number, sizeof number);
  };
  while (true) {
    Transaction transaction{segment};
    const std::uint64_t number = transaction.sequence() + 1;
    while (random() % 4 == 0) {
      transaction.begin(Channel::kStart, 0, 1);
      for (const std::uint64_t page : pages_of(load, random()))
        write(transaction, page, ~number);
      if (random() % 2 == 0) transaction.journal().sign(number);
      transaction.journal().restore();
      if (random() % 2 == 0) transaction.begin_drop();
    }
    transaction.begin(Channel::kStart, 0, 1);
    for (const std::uint64_t page : pages_of(load, number)) write(transaction, page, number);
    transaction.commit(transaction.mailbox_head());
    for (auto spin = random() % load.most_spins; spin != 0; --spin) compiler_fence();
  }
}

// Who knows what such a worker has written.
class Follower {
 public:
  explicit Follower(const Load& load) : load_(load), expected_(load.pages) {}

  [[nodiscard]] std::uint64_t commits() const { return commits_; }
  // Pages of the copy that aren't as of its commit.
  [[nodiscard]] std::uint64_t count_wrong(const Shadow& shadow) {
    while (commits_ < shadow.sequence()) {
      ++commits_;
      for (const std::uint64_t page : pages_of(load_, commits_)) expected_[page] = commits_;
    }
    std::uint64_t wrong = 0;
    for (std::uint64_t page = 0; page < load_.pages; ++page) {
      std::uint64_t first = 0;
      std::uint64_t last = 0;
      const std::byte* start = shadow.heap().data() + page * kPageBytes;
      std::memcpy(&first, start, sizeof first);
      std::memcpy(&last, start + kPageBytes - sizeof last, sizeof last);
      if (first != expected_[page] || last != expected_[page]) ++wrong;
    }
    return wrong;
  }

 private:
  Load load_;
  std::vector<std::uint64_t> expected_;  // by page
  std::uint64_t commits_ = 0;
};

std::uint64_t any_seed() { return std::random_device{}(); }

Wanted large_segment(std::uint64_t pages) { return {"behaviour", pages * kPageBytes, 64 * 1024}; }

void reserve_all(TestSegment& made) {
  const std::uint64_t bytes = made.segment.heap().size();
  REQUIRE(made.segment.reserve_heap(bytes).has_value());
  made.segment.control().worker.heap_reserved.store(bytes);
}

}  // namespace

TEST_CASE("shadow: while commits and rollbacks go on, each is one commit, page by page") {
  TestSegment made{growing_segment()};
  const Load load{any_seed(), 40, 4000};
  CAPTURE(load.seed);
  const Beside writer{[&] { commit_for_ever(made.segment, load); }};
  const Segment looked = look_at(made);
  Shadow shadow{looked};
  Follower follower{load};
  std::uint64_t looks = 0;
  std::uint64_t wrong = 0;
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while ((looks < 3000 || follower.commits() < 3000) &&
         std::chrono::steady_clock::now() < until) {
    if (!shadow.refresh()) continue;  // nothing yet, or no gap
    ++looks;
    wrong += follower.count_wrong(shadow);
    if (looks % 3 == 0) ::usleep(20);
  }
  MESSAGE("looks: " << looks << ", commits: " << follower.commits());
  CHECK(wrong == 0);
  CHECK(looks > 100);
  CHECK(follower.commits() > 100);
}

// Each copy begins with all of the heap, which takes far longer than any gap.
TEST_CASE("shadow: a large heap is copied while its worker goes on, in ever shorter rounds") {
  const Load load{any_seed(), 4 * 1024, 40'000};
  CAPTURE(load.seed);
  TestSegment made{large_segment(load.pages)};
  reserve_all(made);
  const Beside writer{[&] { commit_for_ever(made.segment, load); }};
  const Segment looked = look_at(made);
  while (looked.control().committed.load() == 0) ::usleep(100);
  std::uint64_t failures = 0;
  std::uint64_t wrong = 0;
  Follower follower{load};
  for (int copy = 0; copy < 30; ++copy) {
    Shadow shadow{looked};
    while (!shadow.refresh() && failures < 200) ++failures;
    wrong += follower.count_wrong(shadow);
  }
  MESSAGE("commits: " << follower.commits() << ", refused: " << failures);
  CHECK(wrong == 0);
  CHECK(failures < 200);
}

TEST_CASE("shadow: what was copied half way, of a worker that is killed then, is not in it") {
  constexpr std::uint64_t kMany = 2 * 1024;
  std::uint64_t dirty = 0;
  for (int time = 0; time < 20; ++time) {
    TestSegment made{large_segment(kMany)};
    reserve_all(made);
    commit_pages(made.segment, {0, kMany - 1}, 0x11);
    const auto before = made.heap();
    const Segment looked = look_at(made);
    Shadow shadow{looked};
    {
      const Beside worker{[&] {
        Transaction transaction{made.segment};
        transaction.begin(Channel::kStart, 0, 1);
        if (!transaction.journal().make_room(kMany)) return;
        for (std::uint64_t page = kMany; page-- != 0;)
          overwrite(transaction, made.segment, page, 0xEE);
        while (true) ::pause();
      }};
      const auto end = Shadow::Clock::now() + std::chrono::seconds{20};
      while (made.segment.control().journal.count.load() < kMany / 8 &&
             Shadow::Clock::now() < end) {
      }
      if (shadow.refresh(Shadow::Clock::now())) continue;  // it was over, or had not gone on
    }
    dirty += static_cast<std::uint64_t>(std::ranges::count(shadow.heap(), std::byte{0xEE}));
    REQUIRE(roll_back(made.segment).has_value());
    REQUIRE(settle(made.segment, test::seen_signal(SIGKILL)).has_value());
    // What it had saved is forgotten.
    commit_pages(made.segment, {1}, 0x11);
    commit_pages(made.segment, {1}, 0x00);
    REQUIRE(shadow.refresh().has_value());
    CHECK(shows(shadow, before));
  }
  CHECK(dirty > 0);
}

TEST_CASE("shadow: a large heap that changes all the while is given up in time") {
  constexpr std::uint64_t kLarge = 8 * 1024;  // pages
  TestSegment made{large_segment(kLarge)};
  reserve_all(made);
  commit_pages(made.segment, {0}, 1);
  const Beside writer{[&] {
    for (std::uint8_t value = 0;; ++value) commit_pages(made.segment, {value % kLarge}, value);
  }};
  const Segment looked = look_at(made);
  // It may find a gap when the writer has no processor. Without the limit there are 500 rounds.
  bool is_given_up = false;
  const auto end = Shadow::Clock::now() + std::chrono::seconds{20};
  while (!is_given_up && Shadow::Clock::now() < end) {
    Shadow shadow{looked};
    const auto begin = Shadow::Clock::now();
    const auto refreshed = shadow.refresh(begin);
    is_given_up = !refreshed && refreshed.error().system_error == EAGAIN &&
                  Shadow::Clock::now() - begin < std::chrono::seconds{1};
  }
  CHECK(is_given_up);
}
