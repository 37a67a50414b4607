#include "worker/runtime/hot_pages.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <vector>

using namespace peeper::worker;

namespace {

// Runs the policy as PageGuard does and adds up what it costs, in copies of a page.
struct Simulation {
  explicit Simulation(std::uint32_t break_even) : hot(break_even) {}

  void message(const std::set<std::uint32_t>& written) {
    ++now;
    cost += hot.pages().size();
    copies += hot.pages().size();
    std::set<std::uint32_t> is_hot;
    for (const auto& h : hot.pages()) is_hot.insert(h.page);
    for (const std::uint32_t page : written) ++versions[page];
    const auto print_of = [this](std::uint32_t page) {
      ++looks;
      return writes_what_was_there ? 0 : versions[page];
    };
    for (const std::uint32_t page : written) {
      if (is_hot.contains(page)) continue;
      cost += hot.break_even();
      ++faults;
      (void)hot.on_fault(page, history[page], now, print_of);
    }
    hot.end_message(
        now, print_of, [this](std::uint32_t page) -> PageHistory& { return history[page]; },
        [](std::uint32_t) {});
  }

  HotPages hot;
  std::map<std::uint32_t, PageHistory> history;
  std::map<std::uint32_t, std::uint64_t> versions;
  bool writes_what_was_there = false;
  std::uint64_t now = 0;
  std::uint64_t cost = 0;
  std::uint64_t faults = 0;
  std::uint64_t copies = 0;
  std::uint64_t looks = 0;
};

constexpr std::uint32_t kBreakEven = 675;

// What knows the future pays at least this for one page that is written in these messages: between
// two writes the page is either hot, or faults at the second.
std::uint64_t least_cost(const std::vector<std::uint64_t>& writes) {
  std::uint64_t cost = 0;
  std::uint64_t before = 0;
  for (const std::uint64_t at : writes) {
    cost += std::min<std::uint64_t>(at - before, kBreakEven);
    before = at;
  }
  return cost;
}

}  // namespace

TEST_CASE("a page that every message writes costs hardly more than its copies") {
  Simulation simulation{675};
  for (int i = 0; i < 100'000; ++i) simulation.message({3});
  CHECK(simulation.faults == kProof + 1);
  CHECK(simulation.cost < 103'000);
}

TEST_CASE("a page that is written once in a while costs its faults and no copies") {
  Simulation simulation{675};
  for (int i = 0; i < 100'000; ++i)
    simulation.message(i % 1000 == 0 ? std::set<std::uint32_t>{5} : std::set<std::uint32_t>{});
  CHECK(simulation.cost == 100 * 675);
}

TEST_CASE("a page that is no longer written stops costing copies") {
  Simulation simulation{100};
  for (int i = 0; i < 100'000; ++i) simulation.message({1});
  for (int i = 0; i < 100'000; ++i) simulation.message({});
  CHECK(simulation.hot.pages().empty());
  CHECK(simulation.copies < 100'000 + 3 * 100);
}

TEST_CASE("a page that rests for a while is hot again with its first fault") {
  Simulation simulation{100};
  for (int i = 0; i < 1000; ++i) simulation.message({1});
  for (int i = 0; i < 200; ++i) simulation.message({});
  REQUIRE(simulation.hot.pages().empty());
  const std::uint64_t faults = simulation.faults;
  for (int i = 0; i < 1000; ++i) simulation.message({1});
  CHECK(simulation.faults == faults + 1);
}

TEST_CASE("a page that was hot in vain has to prove itself anew") {
  Simulation simulation{100};
  for (std::uint32_t i = 0; i < kProof + 1; ++i) simulation.message({1});
  REQUIRE(simulation.hot.pages().size() == 1);
  for (int i = 0; i < 200; ++i) simulation.message({});
  REQUIRE(simulation.hot.pages().empty());
  const std::uint64_t copies = simulation.copies;
  for (int i = 0; i < 1000; ++i)
    simulation.message(i % 90 == 0 ? std::set<std::uint32_t>{1} : std::set<std::uint32_t>{});
  CHECK(simulation.copies == copies);
}

TEST_CASE("memory that is filled from one end to the other is not hot for long behind the end") {
  // As a growing map does: each page is written 30 times in a row, and then hardly ever.
  Simulation simulation{kBreakEven};
  const int messages = 60'000;
  for (int i = 0; i < messages; ++i) simulation.message({static_cast<std::uint32_t>(i / 30)});
  CHECK(simulation.faults == messages / 30 * (kProof + 1));
  // A page is copied for at most twice as long as it takes to be worth it.
  CHECK(simulation.copies < messages / 30 * (2 * kBreakEven + 30));
}

TEST_CASE("pages that random keys share are hot if they are worth it, and only then") {
  for (const std::uint32_t pages : {50, 200, 500, 1000, 2000, 4000, 30'000}) {
    CAPTURE(pages);
    std::mt19937_64 random{pages};
    Simulation simulation{kBreakEven};
    const auto run = [&](std::uint64_t messages) {
      for (std::uint64_t i = 0; i < messages; ++i)
        simulation.message({static_cast<std::uint32_t>(random() % pages)});
    };
    run(20ULL * pages);  // to learn
    simulation.cost = simulation.copies = simulation.faults = 0;
    constexpr std::uint64_t kMessages = 30'000;
    run(kMessages);
    const std::uint64_t by_faults = kMessages * kBreakEven;
    // The best that chance allows, of which at most kMostHot pages can be hot.
    const double share = std::min(1.0, static_cast<double>(kMostHot) / pages);
    const double best =
        std::min<double>(by_faults, share * pages * kMessages + (1 - share) * by_faults);
    CHECK(static_cast<double>(simulation.cost) < 1.25 * best);
    // Seldom written: next to nothing is copied in vain.
    if (pages >= 2 * kBreakEven) CHECK(simulation.copies < by_faults / 20);
  }
}

// Writes to one page in phases of one kind each; returns what they cost and what they had to.
struct Costs {
  std::uint64_t paid;
  std::uint64_t least;
};
enum class Adversary { kNo, kYes };
Costs cost_of_phases(std::uint64_t seed, Adversary adversary) {
  std::mt19937_64 random{seed};
  Simulation simulation{kBreakEven};
  std::vector<std::uint64_t> writes;
  while (simulation.now < 60'000) {
    // Dense, often enough, around break-even, sparse; and the worst for this policy: silence just
    // after it has learnt, writes just after it has cooled.
    const std::uint64_t kind = adversary == Adversary::kYes ? 4 : random() % 4;
    const std::uint64_t gap[] = {1, kBreakEven / 4, kBreakEven, 5 * kBreakEven, 1};
    const std::uint64_t end = simulation.now + random() % 8000;
    while (simulation.now < end) {
      const bool is_hot = !simulation.hot.pages().empty();
      const bool writes_now = kind == 4 ? !is_hot : random() % gap[kind] == 0;
      simulation.message(writes_now ? std::set<std::uint32_t>{1} : std::set<std::uint32_t>{});
      if (writes_now) writes.push_back(simulation.now);
    }
  }
  return {simulation.cost, least_cost(writes)};
}

TEST_CASE("whatever a page's writes are, they cost little more than if the future were known") {
  constexpr std::uint64_t kOnce = (kProof + 3) * kBreakEven;
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    const Costs usual = cost_of_phases(seed, Adversary::kNo);
    CHECK(usual.paid < 2 * usual.least + kOnce);
  }
  // Each round it pays to learn, and to cool; who knows the future pays one fault.
  const Costs worst = cost_of_phases(1, Adversary::kYes);
  CHECK(worst.paid < (kProof + 3) * worst.least + kOnce);
}

TEST_CASE("a page that gets what it has costs at most a fault in break_even messages more") {
  Simulation simulation{kBreakEven};
  simulation.writes_what_was_there = true;
  constexpr std::uint64_t kMessages = 50'000;
  for (std::uint64_t i = 0; i < kMessages; ++i) simulation.message({1});
  CHECK(simulation.cost < (2 + kProof) * kMessages);
}

TEST_CASE("hot pages are looked at seldom, and never more than one in a message") {
  Simulation one{kBreakEven};
  for (int i = 0; i < 100'000; ++i) one.message({1});
  CHECK(one.looks < 100'000 / kBreakEven * (kLooks + 1) + kLooks);
  Simulation many{kBreakEven};
  std::set<std::uint32_t> all;
  for (std::uint32_t page = 0; page < kMostHot; ++page) all.insert(page);
  for (int i = 0; i < 10'000; ++i) many.message(all);
  CHECK(many.looks <= 10'000 + kMostHot);
}

TEST_CASE("every hot page has its turn, even where others become hot before it all the time") {
  Simulation simulation{8};
  for (int i = 0; i < 10; ++i) simulation.message({100'000});
  REQUIRE(simulation.hot.pages().size() == 1);
  // Each message one more page is hot, the lowest of all.
  for (std::uint32_t i = 50'000; i > 49'900; --i) simulation.message({i, i + 1, i + 2, i + 3});
  REQUIRE(simulation.hot.pages().size() > 2);
  CHECK(simulation.hot.pages().back().page != 100'000);
}

TEST_CASE("where a fault costs nothing no page is hot") {
  Simulation simulation{kNeverHot};
  for (int i = 0; i < 1000; ++i) simulation.message({1, 2});
  CHECK(simulation.hot.pages().empty());
}

TEST_CASE("random writes to many pages are left to faults, to few pages to copies") {
  std::mt19937_64 random{11};
  Simulation many{kBreakEven};
  for (int i = 0; i < 20'000; ++i) many.message({static_cast<std::uint32_t>(random() % 100'000)});
  CHECK(many.cost < 20'000 * kBreakEven * 1.01);
  Simulation few{kBreakEven};
  for (int i = 0; i < 100'000; ++i) few.message({static_cast<std::uint32_t>(random() % 20)});
  CHECK(few.cost < 100'000 * 25);
}

TEST_CASE("there are never more hot pages than fit the cache") {
  Simulation simulation{1'000'000};
  std::set<std::uint32_t> all;
  for (std::uint32_t page = 0; page < 2 * kMostHot; ++page) all.insert(page);
  for (int i = 0; i < 10; ++i) simulation.message(all);
  CHECK(simulation.hot.pages().size() == kMostHot);
}
