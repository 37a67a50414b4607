#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>

#include "peeper/containers.hpp"
#include "sdk_test_heap.hpp"

namespace {

using peeper::test::TestHeap;
using namespace std::string_view_literals;

constexpr std::string_view kLong = "a text that is too long to lie in the string itself";

struct Node {
  int value = 0;
  peeper::vector<Node> children;
  peeper::unique_ptr<Node> next;
  peeper::ptr<Node> previous;
};

struct State {
  peeper::string text;
  peeper::vector<peeper::string> vector;
  peeper::deque<int> deque;
  peeper::list<peeper::string> list;
  peeper::small_vector<int, 2> few;
  peeper::small_vector<int, 2> many;
  peeper::static_vector<peeper::string, 3> fixed;
  peeper::map<peeper::string, int> map;
  peeper::multimap<int, peeper::string> multimap;
  peeper::set<peeper::string> set;
  peeper::multiset<int> multiset;
  peeper::flat_map<int, peeper::string> flat_map;
  peeper::flat_set<peeper::string> flat_set;
  peeper::unordered_map<peeper::string, int> unordered_map;
  peeper::unordered_set<std::uint64_t> unordered_set;
  peeper::optional<peeper::string> optional;
  Node tree;
};

peeper::string numbered(int number) {
  const std::string text = std::string(kLong) + std::to_string(number);
  return peeper::string(std::string_view(text));
}

constexpr int kMany = 300;

void fill(State& state) {
  state.text = kLong;
  for (int i = 0; i < kMany; ++i) {
    state.vector.push_back(numbered(i));
    state.deque.push_front(i);
    state.list.push_back(numbered(i));
    state.many.push_back(i);
    state.map[numbered(i)] = i;
    state.multimap.emplace(i / 2, numbered(i));
    state.set.insert(numbered(i));
    state.multiset.insert(i / 2);
    state.flat_map[i] = numbered(i);
    state.flat_set.insert(numbered(i));
    state.unordered_map[numbered(i)] = i;
    state.unordered_set.insert(static_cast<std::uint64_t>(i) * 1'000'003);
  }
  state.few = {1, 2};
  state.fixed = {peeper::string(kLong), peeper::string("short")};
  state.optional = kLong;
  state.tree.children.resize(3);
  state.tree.children[1].value = 7;
  state.tree.next = peeper::make_unique<Node>();
  state.tree.next->previous = &state.tree;
}

void check(const State& state) {
  CHECK(state.text == kLong);
  CHECK(state.few.size() == 2);
  CHECK(state.few[1] == 2);
  CHECK(state.fixed[0] == kLong);
  CHECK(*state.optional == kLong);
  for (int i = 0; i < kMany; ++i) {
    const peeper::string text = numbered(i);
    const auto at = static_cast<std::size_t>(i);
    REQUIRE(state.vector[at] == text);
    REQUIRE(state.deque[kMany - 1 - at] == i);
    REQUIRE(state.many[at] == i);
    REQUIRE(state.map.at(text) == i);
    REQUIRE(state.multimap.count(i / 2) == 2);
    REQUIRE(state.set.contains(text));
    REQUIRE(state.multiset.count(i / 2) == 2);
    REQUIRE(state.flat_map.at(i) == text);
    REQUIRE(state.flat_set.contains(text));
    REQUIRE(state.unordered_map.at(text) == i);
    REQUIRE(state.unordered_set.contains(static_cast<std::uint64_t>(i) * 1'000'003));
  }
  int number = 0;
  for (const peeper::string& text : state.list) REQUIRE(text == numbered(number++));
  CHECK(state.tree.children[1].value == 7);
  CHECK(state.tree.next->previous.get() == &state.tree);
}

}  // namespace

TEST_CASE("every container keeps its contents when the heap comes to lie at another address") {
  TestHeap heap(8 << 20);
  auto* state = heap.construct<State>();
  fill(*state);
  check(*state);
  for (int move = 0; move < 3; ++move) {
    state = heap.move(state);
    check(*state);
  }
  // And they can be changed there.
  state->map.clear();
  state->unordered_map.erase(numbered(3));
  state->vector.insert(state->vector.begin(), peeper::string(kLong));
  CHECK(state->vector.size() == kMany + 1);
  heap.destroy(state);
}

TEST_CASE("containers give all their memory back") {
  TestHeap heap(8 << 20);
  const std::size_t before = heap.free_bytes();
  auto* state = heap.construct<State>();
  fill(*state);
  CHECK(heap.free_bytes() < before);
  heap.destroy(state);
  CHECK(heap.free_bytes() == before);
}

TEST_CASE("containers may be locals that move into the state") {
  TestHeap heap;
  auto* state = heap.construct<State>();
  {
    peeper::vector<peeper::string> local;
    local.push_back(peeper::string(kLong));
    peeper::map<peeper::string, int> counts;
    counts[peeper::string(kLong)] = 1;
    state->vector = std::move(local);
    state->map.swap(counts);
  }
  state = heap.move(state);
  CHECK(state->vector.front() == kLong);
  CHECK(state->map.at(peeper::string(kLong)) == 1);
  heap.destroy(state);
}

TEST_CASE("without a heap a container says why it cannot allocate") {
  peeper::vector<int> vector;
  CHECK_THROWS_AS(vector.push_back(1), std::logic_error);
  try {
    const peeper::string text(kLong);
    FAIL("allocated without a heap");
  } catch (const std::logic_error& error) {
    CHECK(std::string_view(error.what()).starts_with("peeper: no server heap in this process"));
  }
  // What needs no memory works everywhere.
  const peeper::string text = "short";
  CHECK(text == "short");
}

TEST_CASE("a heap that is full throws bad_alloc and stays usable") {
  TestHeap heap(64 << 10);
  peeper::vector<char> vector;
  CHECK_THROWS_AS(vector.resize(1 << 20), std::bad_alloc);
  CHECK_THROWS_AS((void)peeper::allocator<int>().allocate(static_cast<std::size_t>(-1)),
                  std::bad_alloc);
  vector.resize(1000);
  CHECK(vector.size() == 1000);
}

TEST_CASE("memory is aligned as its type asks") {
  struct alignas(256) Wide {
    char bytes[256];
  };
  TestHeap heap;
  const peeper::unique_ptr<char> odd = peeper::make_unique<char>('x');
  peeper::vector<Wide> wide(3);
  CHECK(reinterpret_cast<std::uintptr_t>(wide.data()) % 256 == 0);
  const auto single = peeper::make_unique<Wide>();
  CHECK(reinterpret_cast<std::uintptr_t>(single.get().get()) % 256 == 0);
}

TEST_CASE("text keys are found by string_view without building a string") {
  TestHeap heap;
  peeper::map<peeper::string, int> map;
  peeper::set<peeper::string> set;
  peeper::flat_map<peeper::string, int> flat;
  peeper::unordered_map<peeper::string, int> hashed;
  peeper::unordered_set<peeper::string> hashed_set;
  const peeper::string key(kLong);
  map[key] = flat[key] = hashed[key] = 1;
  set.insert(key);
  hashed_set.insert(key);

  const std::size_t before = heap.allocations();
  CHECK(map.find(kLong)->second == 1);
  CHECK(flat.find(kLong)->second == 1);
  CHECK(hashed.find(kLong)->second == 1);
  CHECK(set.contains(kLong));
  CHECK(hashed_set.count(kLong) == 1);
  CHECK(map.find("another"sv) == map.end());
  CHECK(hashed.find("another"sv) == hashed.end());
  CHECK(hashed.erase(kLong) == 1);
  CHECK(heap.allocations() == before);
}

TEST_CASE("text is made from and compared with the standard library's text") {
  TestHeap heap;
  const peeper::string from_view(kLong);
  CHECK(from_view == kLong);
  CHECK(kLong == from_view);
  CHECK(from_view > "a"sv);
  CHECK(std::string(std::string_view(from_view)) == kLong);
  peeper::string text;
  text = "ab"sv;
  text += "cd";
  text.append("ef"sv);
  CHECK(text == "abcdef");
}

TEST_CASE("hashes of text never change, as stored tables depend on them") {
  using peeper::detail::hash_bytes;
  CHECK(hash_bytes("") == 165'998'322'742'298'661u);
  CHECK(hash_bytes("counter") == 18'229'806'123'969'846'600u);
  CHECK(hash_bytes("a text of more than eight bytes") == 3'796'016'387'597'548'388u);
  CHECK(hash_bytes("a"sv) != hash_bytes("a\0"sv));
  CHECK(peeper::hash<int>{}(42) == 42);
}

TEST_CASE("a failing constructor in make_unique leaks nothing") {
  struct Throws {
    Throws() { throw std::runtime_error("no"); }
  };
  TestHeap heap;
  const std::size_t before = heap.free_bytes();
  CHECK_THROWS_AS((void)peeper::make_unique<Throws>(), std::runtime_error);
  CHECK(heap.free_bytes() == before);
}
