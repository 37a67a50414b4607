// Paths into a State: what they lead to, and what is said where they lead nowhere.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <variant>

#include "peeper/containers.hpp"
#include "peeper/format_state.hpp"
#include "peeper/value.hpp"
#include "sdk_test_heap.hpp"

namespace {

enum class Mood { calm, cross };
BOOST_DESCRIBE_ENUM(Mood, calm, cross)

struct Item {
  int price = 3;
  peeper::string name = "tea";
};

struct Described {
  int shown = 1;
  int hidden = 2;
};
BOOST_DESCRIBE_STRUCT(Described, (), (shown))

struct State {
  std::int64_t count = 5;
  peeper::vector<Item> items;
  peeper::list<int> few;
  peeper::map<std::int64_t, Item> accounts;
  peeper::unordered_map<peeper::string, peeper::vector<int>> hosts;
  peeper::map<Mood, int> moods;
  peeper::map<std::pair<int, int>, int> pairs;
  peeper::set<peeper::string> tags;
  int grid[2][2] = {{1, 2}, {3, 4}};
  char fixed[8] = "fixed";
  std::tuple<int, peeper::string> both{7, peeper::string("b")};
  std::optional<Item> maybe;
  std::variant<int, Item> either;
  std::atomic<int> hits{7};
  peeper::unique_ptr<Item> owned;
  peeper::ptr<Item> favourite;
  Described described;
  peeper::Value made;
};

std::string picked(const State& state, std::string_view path) {
  std::string out;
  const peeper::abi::Sink sink{&out,
                               [](void* context, const char* data, std::size_t size) {
                                 static_cast<std::string*>(context)->append(data, size);
                               },
                               nullptr, nullptr};
  peeper::format_state(state, path, sink);
  return out;
}

std::string no(const std::string& text) { return "-BADARG no " + text + "\r\n"; }

}  // namespace

TEST_CASE("path: each kind of part is found, and only that is shown") {
  const peeper::test::TestHeap heap;
  State state;
  for (int i = 0; i < 5; ++i) state.items.push_back({i, peeper::string("tea")});
  state.few = {10, 20, 30};
  state.accounts[42] = {9, peeper::string("x")};
  state.accounts[-1] = {};
  state.hosts[peeper::string("a.b")] = {80, 81};
  state.hosts[peeper::string("say \"hi\"")] = {1};
  state.moods[Mood::cross] = 3;
  state.tags.insert(peeper::string("red"));
  state.maybe = Item{};
  state.either = Item{8, peeper::string("e")};
  state.owned = peeper::make_unique<Item>();
  state.made = peeper::Value::map(
      {{"list", peeper::Value::array({1, "two", peeper::Value::map({{"deep", true}})})},
       {"n", 4}});
  const auto is = [&](std::string_view path, const std::string& value) {
    CAPTURE(path);
    CHECK(picked(state, path) == value);
  };
  is("count", ":5\r\n");
  is("items.3.price", ":3\r\n");
  is("items.4", "%2\r\n$5\r\nprice\r\n:4\r\n$4\r\nname\r\n$3\r\ntea\r\n");
  is("few.2", ":30\r\n");
  is("accounts.42.price", ":9\r\n");
  is("accounts.-1.name", "$3\r\ntea\r\n");
  is("hosts.\"a.b\".1", ":81\r\n");
  is("hosts.\"say \\\"hi\\\"\".0", ":1\r\n");
  is("moods.cross", ":3\r\n");
  is("tags.red", "$3\r\nred\r\n");
  is("grid.1.0", ":3\r\n");
  is("fixed", "$5\r\nfixed\r\n");
  is("both.1", "$1\r\nb\r\n");
  is("maybe.name", "$3\r\ntea\r\n");
  is("either.price", ":8\r\n");
  is("hits", ":7\r\n");
  is("owned.price", ":3\r\n");
  is("described.shown", ":1\r\n");
  is("made.list.1", "$3\r\ntwo\r\n");
  is("made.list.2.deep", "#t\r\n");
  is("made.list.2", "%1\r\n$4\r\ndeep\r\n#t\r\n");
  is("made.n", ":4\r\n");
  CHECK(picked(state, "").starts_with("%18\r\n$5\r\ncount\r\n"));
}

TEST_CASE("path: where it leads nowhere, the answer says what is there") {
  const peeper::test::TestHeap heap;
  State state;
  for (int i = 0; i < 12; ++i) state.accounts[i] = {};
  state.items.resize(4);
  state.hosts[peeper::string("a.b")] = {80};
  state.pairs[{1, 2}] = 3;
  state.made = peeper::Value::map({{"n", 4}, {"a b", 5}});
  const auto is = [&](std::string_view path, const std::string& error) {
    CAPTURE(path);
    CHECK(picked(state, path) == error);
  };
  is("items.1.size", no("'size' in items.1; there is: price, name"));
  is("items.4", no("'4' in items; there is: 0 to 3"));
  is("items.x", no("'x' in items; there is: 0 to 3"));
  is("few.0", no("'0' in few, which is empty"));
  is("accounts.12", no("'12' in accounts; of its 12 keys there is: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "
                       "..."));
  is("accounts.1x", no("'1x' in accounts; of its 12 keys there is: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, "
                       "..."));
  is("hosts.a", no("'a' in hosts; of its 1 keys there is: \"a.b\""));
  is("hosts.\"a.b\".1", no("'1' in hosts.\"a.b\"; there is: 0 to 0"));
  is("moods.calm", no("'calm' in moods, which is empty"));
  is("pairs.1", no("'1' in pairs; its 1 keys are no numbers or texts, so no path names them"));
  is("count.x", no("'x' in count, which is a number"));
  is("fixed.0", no("'0' in fixed, which is text"));
  is("maybe.name", no("'name' in maybe, which is empty"));
  is("owned.name", no("'name' in owned, which is empty"));
  is("favourite.name", no("'name' in favourite, which is a pointer, which may lead in circles"));
  is("described.hidden", no("'hidden' in described; there is: shown"));
  is("made.x", no("'x' in made; of its 2 keys there is: n, \"a b\""));
  is("made.n.x", no("'x' in made.n, which is a number"));
  CHECK(picked(state, "nothing")
            .starts_with("-BADARG no 'nothing' in the state; there is: count, items, "));
  for (const std::string_view path : {".", "a.", ".a", "a..b", "\"a", "a\"b", "\"a\"b", "\"a\\"}) {
    CAPTURE(path);
    CHECK(picked(state, path).starts_with("-BADARG '" + std::string(path) + "' is no path: "));
  }
}

TEST_CASE("path: a key of many is found as the container finds it, and what it holds is cut") {
  const peeper::test::TestHeap heap(16 << 20);
  State state;
  for (int i = 0; i < 50'000; ++i) state.accounts[i].price = i;
  const auto before = heap.allocations();
  CHECK(picked(state, "accounts.41234.price") == ":41234\r\n");
  CHECK(picked(state, "accounts").starts_with("%1001\r\n"));
  CHECK(heap.allocations() == before);
}
