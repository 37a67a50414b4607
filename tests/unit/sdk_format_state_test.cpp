#include <doctest/doctest.h>

#include <atomic>
#include <bitset>
#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <cstdint>
#include <string>

#include "peeper/containers.hpp"
#include "peeper/format_state.hpp"
#include "peeper/handles.hpp"
#include "peeper/state_check.hpp"
#include "peeper/value.hpp"
#include "sdk_test_heap.hpp"

namespace shown {

class Secret {
 public:
  explicit Secret(int code) : code_(code) {}
  [[nodiscard]] int code() const { return code_; }

 private:
  int code_;
};

// Described: seen in spite of its private members, and of its base.
struct Named {
  std::int64_t id = 1;
};
BOOST_DESCRIBE_STRUCT(Named, (), (id))

class Account : public Named {
 public:
  Account() = default;

 private:
  int balance_ = 5;
  int limits_[2] = {1, 2};

  BOOST_DESCRIBE_CLASS(Account, (Named), (), (), (balance_, limits_))
};

struct Login {
  std::int64_t user = 7;
  std::int64_t password = 1234;
};
BOOST_DESCRIBE_STRUCT(Login, (), (user))

}  // namespace shown

template <>
inline constexpr bool peeper::lives_in_heap<shown::Account> = true;
template <>
inline constexpr bool peeper::lives_in_heap<shown::Secret> = true;

namespace {

enum class Mood { calm, cross };
BOOST_DESCRIBE_ENUM(Mood, calm, cross)

struct Item {
  int price = 3;
  peeper::string name = "tea";
};

struct State {
  std::int64_t count = 5;
  Mood mood = Mood::cross;
  peeper::map<peeper::string, Item> items;
  int grid[2][2] = {{1, 2}, {3, 4}};
  shown::Secret secret{1};
  peeper::ptr<Item> favourite;
  peeper::unique_ptr<Item> owned;
  std::atomic<int> hits{7};
  std::bitset<4> flags{5};
};

struct Chain {
  int value = 0;
  peeper::vector<Chain> next;
};

template <class T>
std::string shown_as(const T& state) {
  std::string out;
  const peeper::abi::Sink sink{&out,
                               [](void* context, const char* data, std::size_t size) {
                                 static_cast<std::string*>(context)->append(data, size);
                               },
                               nullptr, nullptr};
  peeper::format_state(state, sink);
  return out;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a state is shown as a map by the names of its members") {
  peeper::test::TestHeap heap;
  State state;
  state.items[peeper::string("a")] = Item{};
  CHECK(shown_as(state) ==
        "%9\r\n$5\r\ncount\r\n:5\r\n$4\r\nmood\r\n$5\r\ncross\r\n"
        "$5\r\nitems\r\n%1\r\n$1\r\na\r\n%2\r\n$5\r\nprice\r\n:3\r\n$4\r\nname\r\n$3\r\ntea\r\n"
        "$4\r\ngrid\r\n*2\r\n*2\r\n:1\r\n:2\r\n*2\r\n:3\r\n:4\r\n"
        "$6\r\nsecret\r\n$15\r\n<shown::Secret>\r\n"
        "$9\r\nfavourite\r\n_\r\n$5\r\nowned\r\n_\r\n$4\r\nhits\r\n:7\r\n"
        "$5\r\nflags\r\n$4\r\n0101\r\n");
  state.owned = peeper::make_unique<Item>();
  state.favourite = state.owned.get();
  const std::string text = shown_as(state);
  CHECK(contains(text, "favourite\r\n$30\r\n-> (anonymous namespace)::Item\r\n"));
  CHECK(contains(text, "owned\r\n%2\r\n$5\r\nprice"));
}

TEST_CASE("a described class is shown as it describes itself") {
  peeper::check_state<shown::Account>();
  const std::string account =
      "%3\r\n$2\r\nid\r\n:1\r\n$8\r\nbalance_\r\n:5\r\n"
      "$7\r\nlimits_\r\n*2\r\n:1\r\n:2\r\n";
  CHECK(shown_as(shown::Account{}) == account);
  CHECK(peeper::Value(shown::Account{}).bytes() == account);
  CHECK(shown_as(shown::Login{}) == "%1\r\n$4\r\nuser\r\n:7\r\n");
}

TEST_CASE("callers, timers and references may be kept in a state and are shown") {
  struct Kept {
    peeper::From from{.request = 1, .server = 2, .epoch = 3};
    peeper::Timer timer{4};
    peeper::Reference reference{5};
  };
  peeper::check_state<Kept>();
  CHECK(shown_as(Kept{}) ==
        "%3\r\n$4\r\nfrom\r\n%4\r\n$7\r\nrequest\r\n:1\r\n$6\r\nserver\r\n:2\r\n"
        "$5\r\nepoch\r\n:3\r\n$6\r\nclient\r\n:0\r\n"
        "$5\r\ntimer\r\n%1\r\n$6\r\nnumber\r\n:4\r\n"
        "$9\r\nreference\r\n%1\r\n$6\r\nnumber\r\n:5\r\n");

  peeper::test::TestHeap heap;
  peeper::unordered_map<peeper::Reference, int> asked;
  peeper::map<peeper::Timer, int> timers;
  peeper::set<peeper::From> waiting;
  peeper::check_state<decltype(asked)>();
  asked[{5}] = 1;
  timers[{4}] = 1;
  waiting.insert({.request = 1});
  CHECK(asked.contains({5}));
  CHECK_FALSE(asked.contains({4}));
}

TEST_CASE("a large container is shown in part, with the rest counted") {
  peeper::test::TestHeap heap;
  peeper::vector<int> numbers(peeper::kShownElements + 123, 1);
  const std::string text = shown_as(numbers);
  CHECK(text.starts_with("*1001\r\n:1\r\n"));
  CHECK(text.ends_with(":1\r\n$12\r\n... 123 more\r\n"));

  peeper::map<int, int> map;
  for (int i = 0; i < 1002; ++i) map[i] = i;
  const std::string map_text = shown_as(map);
  CHECK(map_text.starts_with("%1001\r\n:0\r\n:0\r\n"));
  CHECK(map_text.ends_with("$10\r\n... 2 more\r\n_\r\n"));

  // Nothing is left out, nothing is said.
  numbers.resize(peeper::kShownElements);
  CHECK(shown_as(numbers).starts_with("*1000\r\n"));
  CHECK(!contains(shown_as(numbers), "more"));
}

TEST_CASE("containers of containers are bounded in all, too") {
  peeper::test::TestHeap heap(8 << 20);
  peeper::vector<peeper::vector<int>> rows(100, peeper::vector<int>(1000, 1));
  const std::string text = shown_as(rows);
  CHECK(text.starts_with("*100\r\n*1000\r\n"));
  CHECK(text.ends_with("*1\r\n$13\r\n... 1000 more\r\n"));
  CHECK(text.size() < 100'000);
}

TEST_CASE("long text and deep nesting are cut") {
  peeper::test::TestHeap heap;
  const peeper::string text(peeper::kShownTextBytes + 5, 'x');
  CHECK(shown_as(text).ends_with("x... 5 more bytes\r\n"));

  Chain chain;
  Chain* last = &chain;
  for (int i = 0; i < 100; ++i) last = &last->next.emplace_back();
  const std::string nested = shown_as(chain);
  CHECK(contains(nested, "next\r\n*1\r\n$3\r\n...\r\n"));
}
