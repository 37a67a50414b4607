// Random operations on a container in the heap, some messages dying in the middle, against the same
// operations on a std:: container that only sees those that committed.
//
// A message dies at a first write to a page, on the way into or out of an allocation or a
// deallocation, or between two operations; or at its end if there are fewer of those. After each
// message everything is compared, and the heap byte for byte after each death.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <random>
#include <string_view>
#include <vector>

#include "heap_test_worker.hpp"
#include "peeper/containers.hpp"

namespace peeper::test {

// --- Operations, the same on both sides: `op` and `number` decide everything ---------------------

template <class Container>
void move_and_swap(Container& c) {
  Container other = std::move(c);
  Container third;
  third.swap(other);
  c = std::move(third);
}

// What can shrink does so often, that it must allocate again.
template <class Container>
void clear_or_shrink(Container& c, std::uint64_t number) {
  if (number % 100 == 0) c.clear();
  if constexpr (requires { c.shrink_to_fit(); }) {
    if (number % 2 == 0) c.shrink_to_fit();
  }
}

template <class Sequence, class Make>
void change_sequence(Sequence& c, std::uint64_t op, std::uint64_t number, Make make) {
  const auto any = [&] { return std::next(c.begin(), static_cast<long>(number % c.size())); };
  switch (op % 9) {
    case 0:
    case 1:
    case 2: c.push_back(make(number)); break;
    case 3:
      if (!c.empty()) c.erase(any());
      break;
    case 4:
      if (!c.empty()) *any() = make(number);
      break;
    case 5: c.insert(c.begin(), make(number)); break;
    case 6:
      if (!c.empty()) c.insert(any(), make(number));
      break;
    case 7: clear_or_shrink(c, number); break;
    case 8: move_and_swap(c); break;
  }
}

template <class Map, class Key, class Make>
void change_map(Map& c, std::uint64_t op, std::uint64_t number, Key key, Make make) {
  const auto k = key(number % 2000);
  switch (op % 7) {
    case 0:
    case 1: c[k] = make(number); break;
    case 2: c.emplace(k, make(number)); break;
    case 3: c.erase(k); break;
    case 4:
      if (!c.empty()) c.erase(c.find(c.begin()->first));
      break;
    case 5: clear_or_shrink(c, number); break;
    case 6: move_and_swap(c); break;
  }
}

// Sets, and tables with several elements of a key; few keys, so that they meet.
template <class Set, class Make>
void change_set(Set& c, std::uint64_t op, std::uint64_t number, Make make) {
  const auto element = make(number);
  switch (op % 6) {
    case 0:
    case 1:
    case 2: c.insert(element); break;
    case 3:
      if constexpr (requires { c.erase(element); })
        c.erase(element);
      else
        c.erase(element.first);
      break;
    case 4: clear_or_shrink(c, number); break;
    case 5: move_and_swap(c); break;
  }
}

// Valid until the next one. No memory of its own: a crash would lose it, as a dying process does,
// but here the process goes on.
inline std::string_view text_of_number(std::uint64_t number) {
  static char text[40];
  std::fill(std::begin(text), std::end(text), static_cast<char>('a' + number % 26));
  return {text, static_cast<std::size_t>(number % 40)};
}

inline constexpr auto kNumber = [](std::uint64_t n) { return n; };
inline constexpr auto kSame = [](const auto& a, const auto& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
};
inline constexpr auto kSamePairs = [](const auto& a, const auto& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.first == y.first && x.second == y.second;
  });
};
inline constexpr auto kSameTexts = [](const auto& a, const auto& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return std::string_view(x.data(), x.size()) == y;
  });
};

// --- The comparison ------------------------------------------------------------------------------

enum class Allocates { kYes, kNo };

// PEEPER_SEED, else a new one.
inline std::uint64_t fresh_model_seed() {
  const char* given = std::getenv("PEEPER_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
}

// `Ours` lives in the heap, `Model` beside it.
template <class Ours, class Model, class Change, class Same>
class ModelTest {
 public:
  ModelTest(Change change, Same same, std::uint32_t break_even, std::uint64_t seed)
      : change_(change), same_(same), random_(seed), worker_(8 << 20, break_even) {
    worker_.transact([&] {
      void* memory = worker_.heap().allocate(sizeof(Ours), alignof(Ours));
      worker_.heap().set_state(new (memory) Ours());
    });
  }

  void run(int rounds) {
    for (int round = 0; round < rounds; ++round) {
      op_ = random_();
      number_ = random_();
      times_ = random_() % 5 + 1;
      if (random_() % 4 == 0)
        one_that_dies();
      else
        one_that_commits();
      REQUIRE(same_(ours(), model_));
      REQUIRE(worker_.heap().is_sane());
    }
  }

  // How many messages died at such an event, before their end.
  using Deaths = std::array<int, kEvents>;
  [[nodiscard]] const Deaths& deaths() const { return deaths_; }

 private:
  Ours& ours() { return *static_cast<Ours*>(worker_.heap().state()); }

  void one_that_commits() {
    worker_.transact([&] {
      for (std::uint64_t i = 0; i < times_; ++i) change_(ours(), op_ + i, number_ + i);
    });
    for (std::uint64_t i = 0; i < times_; ++i) change_(model_, op_ + i, number_ + i);
  }

  void one_that_dies() {
    // All of the heap that has memory; the rest is inaccessible to the worker.
    const auto memory =
        worker_.keeper().heap().first(worker_.keeper().control().worker.heap_reserved.load());
    const std::vector<std::byte> before(memory.begin(), memory.end());
    const auto event = static_cast<Event>(random_() % kEvents);
    const bool is_rare = event == Event::kAllocate || event == Event::kDeallocate;
    const int number = static_cast<int>(random_() % (is_rare ? 2 : 4) + 1);
    const int happened = worker_.crash({event, number}, [&] {
      for (std::uint64_t i = 0; i < times_; ++i) {
        change_(ours(), op_ + i, number_ + i);
        worker_.happens(Event::kOperation);
      }
    });
    if (happened >= number) ++deaths_[static_cast<std::size_t>(event)];
    // Byte for byte, the allocator's own included.
    REQUIRE(std::memcmp(before.data(), memory.data(), before.size()) == 0);
  }

  Change change_;
  Same same_;
  std::mt19937_64 random_;
  HeapWorker worker_;
  Model model_;
  std::uint64_t op_ = 0;
  std::uint64_t number_ = 0;
  std::uint64_t times_ = 0;
  Deaths deaths_{};
};

template <class Ours, class Model, class Change, class Same>
void against_model(Change change, Same same, Allocates allocates = Allocates::kYes) {
  const std::uint64_t fresh = fresh_model_seed();
  MESSAGE("seed " << fresh << "; PEEPER_SEED=" << fresh << " repeats it");
  for (const std::uint32_t break_even : {1U, 8U, 100'000U}) {  // all cold; mixed; all hot soon
    CAPTURE(break_even);
    std::array<int, kEvents> deaths{};
    for (const std::uint64_t seed : {std::uint64_t{1}, std::uint64_t{2}, std::uint64_t{3}, fresh}) {
      CAPTURE(seed);
      ModelTest<Ours, Model, Change, Same> test{change, same, break_even, seed};
      test.run(500);
      for (std::size_t i = 0; i < kEvents; ++i) deaths[i] += test.deaths()[i];
    }
    const auto died_at = [&](Event event) { return deaths[static_cast<std::size_t>(event)]; };
    CHECK(died_at(Event::kOperation) > 20);
    if (break_even == 1) CHECK(died_at(Event::kFault) > 5);
    if (allocates == Allocates::kYes) {
      CHECK(died_at(Event::kAllocate) > 0);
      CHECK(died_at(Event::kDeallocate) > 0);
    }
  }
}

}  // namespace peeper::test
