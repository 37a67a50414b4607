// Random operations on every kind of container, some dying at a random write, against the same
// operations on a std:: container that only sees those that committed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "heap_test_worker.hpp"
#include "peeper/containers.hpp"

using namespace peeper;
using peeper::test::HeapWorker;

namespace {

using Random = std::mt19937_64;

// One operation, the same on both sides: `op` and `number` decide everything.
template <class Sequence, class Make>
void change_sequence(Sequence& c, std::uint64_t op, std::uint64_t number, Make make) {
  switch (op % 8) {
    case 0:
    case 1:
    case 2: c.push_back(make(number)); break;
    case 3:
      if (!c.empty()) c.erase(std::next(c.begin(), static_cast<long>(number % c.size())));
      break;
    case 4:
      if (!c.empty()) *std::next(c.begin(), static_cast<long>(number % c.size())) = make(number);
      break;
    case 5: c.insert(c.begin(), make(number)); break;
    case 6:
      if (number % 50 == 0) c.clear();
      break;
    case 7: {
      Sequence other = std::move(c);
      Sequence third;
      third.swap(other);
      c = std::move(third);
    }
  }
}

template <class Map, class Key, class Make>
void change_map(Map& c, std::uint64_t op, std::uint64_t number, Key key, Make make) {
  const auto k = key(number % 2000);
  switch (op % 6) {
    case 0:
    case 1:
    case 2: c[k] = make(number); break;
    case 3: c.erase(k); break;
    case 4:
      if (number % 200 == 0) c.clear();
      break;
    case 5: {
      Map other = std::move(c);
      c = Map();
      c.swap(other);
    }
  }
}

// Valid until the next one. No memory of its own: a crash would lose it, as a dying process does,
// but here the process goes on.
std::string_view text_of_number(std::uint64_t number) {
  static char text[40];
  std::fill(std::begin(text), std::end(text), static_cast<char>('a' + number % 26));
  return {text, static_cast<std::size_t>(number % 40)};
}

// `Ours` lives in the heap, `Model` beside it.
template <class Ours, class Model, class Change, class Same>
void against_model(Change change, Same same) {
  for (const std::uint32_t break_even : {1U, 8U, 100'000U}) {  // all cold; mixed; all hot soon
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      CAPTURE(break_even);
      CAPTURE(seed);
      Random random{seed};
      HeapWorker worker{8 << 20, break_even};
      worker.transact([&] {
        void* memory = worker.heap().allocate(sizeof(Ours), alignof(Ours));
        worker.heap().set_state(new (memory) Ours());
      });
      const auto ours = [&]() -> Ours& { return *static_cast<Ours*>(worker.heap().state()); };
      Model model;
      int mid_crashes = 0;
      for (int round = 0; round < 600; ++round) {
        const std::uint64_t op = random();
        const std::uint64_t number = random();
        const std::uint64_t times = random() % 5 + 1;
        if (random() % 4 == 0) {
          // All of the heap that has memory; the rest is inaccessible to the worker.
          const auto memory = worker.keeper().heap().first(
              worker.keeper().control().worker.heap_reserved.load());
          const std::vector<std::byte> before(memory.begin(), memory.end());
          const int at = static_cast<int>(random() % 4 + 1);
          const int faults = worker.crash(at, [&] {
            for (std::uint64_t i = 0; i < times; ++i) change(ours(), op + i, number + i);
          });
          if (faults >= at) ++mid_crashes;
          // Byte for byte, the allocator's own included.
          REQUIRE(std::memcmp(before.data(), memory.data(), before.size()) == 0);
        } else {
          worker.transact([&] {
            for (std::uint64_t i = 0; i < times; ++i) change(ours(), op + i, number + i);
          });
          for (std::uint64_t i = 0; i < times; ++i) change(model, op + i, number + i);
        }
        REQUIRE(same(ours(), model));
      }
      if (break_even == 1) CHECK(mid_crashes > 5);
    }
  }
}

const auto kSameSequence = [](const auto& a, const auto& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
};
const auto kNumber = [](std::uint64_t n) { return n; };

}  // namespace

TEST_CASE("model: vector") {
  against_model<peeper::vector<std::uint64_t>, std::vector<std::uint64_t>>(
      [](auto& c, auto op, auto n) { change_sequence(c, op, n, kNumber); }, kSameSequence);
}

TEST_CASE("model: deque") {
  against_model<peeper::deque<std::uint64_t>, std::deque<std::uint64_t>>(
      [](auto& c, auto op, auto n) { change_sequence(c, op, n, kNumber); }, kSameSequence);
}

TEST_CASE("model: list") {
  against_model<peeper::list<std::uint64_t>, std::list<std::uint64_t>>(
      [](auto& c, auto op, auto n) { change_sequence(c, op, n, kNumber); }, kSameSequence);
}

TEST_CASE("model: vector of strings") {
  against_model<peeper::vector<peeper::string>, std::vector<std::string>>(
      [](auto& c, auto op, auto n) {
        using Text = typename std::remove_reference_t<decltype(c)>::value_type;
        change_sequence(c, op, n, [](std::uint64_t m) {
          return Text(text_of_number(m));
        });
      },
      [](const auto& a, const auto& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                          [](const auto& x, const auto& y) {
                            return std::string_view(x.data(), x.size()) == y;
                          });
      });
}

TEST_CASE("model: string") {
  against_model<peeper::string, std::string>(
      [](auto& c, auto op, auto n) {
        if (op % 3 == 0)
          c += 'x';
        else if (op % 3 == 1)
          c.append(static_cast<std::size_t>(n % 100), static_cast<char>('a' + n % 26));
        else if (n % 20 == 0)
          c.clear();
        else if (!c.empty())
          c.erase(static_cast<std::size_t>(n % c.size()), 3);
      },
      kSameSequence);
}

TEST_CASE("model: map") {
  against_model<peeper::map<std::uint64_t, std::uint64_t>,
                std::map<std::uint64_t, std::uint64_t>>(
      [](auto& c, auto op, auto n) { change_map(c, op, n, kNumber, kNumber); },
      [](const auto& a, const auto& b) {
        return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                          [](const auto& x, const auto& y) {
                            return x.first == y.first && x.second == y.second;
                          });
      });
}

TEST_CASE("model: unordered_map of strings, with rehashing") {
  against_model<peeper::unordered_map<std::uint64_t, peeper::string>,
                std::unordered_map<std::uint64_t, std::string>>(
      [](auto& c, auto op, auto n) {
        using Text = typename std::remove_reference_t<decltype(c)>::mapped_type;
        if (n % 97 == 0)
          c.rehash(n % 5000);
        else
          change_map(c, op, n, kNumber, [](std::uint64_t m) {
            return Text(text_of_number(m));
          });
      },
      [](const auto& a, const auto& b) {
        if (a.size() != b.size()) return false;
        return std::all_of(b.begin(), b.end(), [&](const auto& entry) {
          const auto found = a.find(entry.first);
          return found != a.end() &&
                 std::string_view(found->second.data(), found->second.size()) == entry.second;
        });
      });
}

TEST_CASE("one message may dirty a whole large heap, grow it to its limit, and be undone") {
  HeapWorker worker{64 << 20, 100};
  worker.transact([&] {
    void* memory = worker.heap().allocate(sizeof(peeper::vector<std::uint64_t>), 8);
    worker.heap().set_state(new (memory) peeper::vector<std::uint64_t>());
  });
  using Vector = peeper::vector<std::uint64_t>;
  const auto state = [&]() -> Vector& { return *static_cast<Vector*>(worker.heap().state()); };
  worker.transact([&] { state().resize(2'000'000, 7); });
  const std::uint64_t faults = worker.guard().counts().faults;
  (void)worker.crash(0, [&] {
    for (auto& number : state()) number = 8;
    CHECK(worker.guard().counts().faults - faults < 1000);  // not one for each of 4000 pages
  });
  CHECK(std::all_of(state().begin(), state().end(), [](auto n) { return n == 7; }));
  // Beyond the limit: an exception, and what was there stays.
  CHECK_THROWS_AS((void)worker.crash(0, [&] { state().resize(20'000'000, 9); }), std::bad_alloc);
  worker.restart();
  CHECK(state().size() == 2'000'000);
  CHECK(std::all_of(state().begin(), state().end(), [](auto n) { return n == 7; }));
}
