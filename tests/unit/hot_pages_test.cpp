#include "worker/runtime/hot_pages.hpp"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

using namespace peeper::worker;

namespace {

// Runs the policy as PageGuard does and adds up what it costs, in copies of a page.
struct Simulation {
  explicit Simulation(std::uint32_t break_even) : hot(break_even) {}

  void message(const std::set<std::uint32_t>& written) {
    ++now;
    cost += hot.pages().size();
    std::set<std::uint32_t> is_hot;
    for (const auto& h : hot.pages()) is_hot.insert(h.page);
    for (const std::uint32_t page : written) {
      if (is_hot.contains(page)) continue;
      cost += hot.break_even();
      ++faults;
      (void)hot.on_fault(page, history[page], now);
    }
    hot.end_message(now, [this](std::uint32_t page) -> PageHistory& { return history[page]; },
                    [](std::uint32_t) {});
  }

  HotPages hot;
  std::map<std::uint32_t, PageHistory> history;
  std::uint64_t now = 0;
  std::uint64_t cost = 0;
  std::uint64_t faults = 0;
};

}  // namespace

TEST_CASE("a page that every message writes costs hardly more than its copies") {
  Simulation simulation{675};
  for (int i = 0; i < 1'000'000; ++i) simulation.message({3});
  CHECK(simulation.faults < 80);
  CHECK(simulation.cost < 1'100'000);
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
}

TEST_CASE("random writes to many pages are left to faults, to few pages to copies") {
  std::mt19937_64 random{11};
  Simulation many{675};
  for (int i = 0; i < 20'000; ++i) many.message({static_cast<std::uint32_t>(random() % 100'000)});
  CHECK(many.cost < 20'000 * 675 * 1.2);
  Simulation few{675};
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
