// Every callback, with and without a Context, found and called as documented.
#include <doctest/doctest.h>

#include <cstdint>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "peeper/containers.hpp"
#include "peeper/server.hpp"
#include "sdk_test_driver.hpp"
#include "sdk_test_heap.hpp"
#include "sdk_test_host.hpp"

namespace {

using peeper::Context;
using peeper::From;
using peeper::Message;
using peeper::abi::Action;
using peeper::abi::MessageKind;
using peeper::abi::Then;
using peeper::test::Driver;
using peeper::test::TestHeap;
using peeper::test::TestHost;
using Lines = std::vector<std::string>;

// Each callback tells by its Context that it ran.
struct WithContext {
  struct V0 {
    static constexpr int version = 0;
    peeper::string text;
  };
  struct V1 {
    static constexpr int version = 1;
    std::int64_t number = 0;
    ~V1() { ++destroyed; }
    static inline int destroyed = 0;
  };
  struct State {
    static constexpr int version = 2;
    peeper::string text;
    From waiting{};
    peeper::Timer timer{};
    peeper::Reference asked{};
  };
  using OldStates = peeper::types<V0, V1>;

  peeper::Started<State> init(const peeper::Args& args, Context& context) {
    context.cast("log", "init", args.text());
    return peeper::ok(State{.text = peeper::string(args.text())}).continue_with("after init");
  }
  void handle_start(State& state, Context& context) { context.cast("log", "start", state.text); }
  peeper::Result handle_call(const Message& message, From from, State& state, Context& context) {
    if (message.name() == "wait") return state.waiting = from, peeper::noreply();
    state.timer = context.send_after(std::chrono::seconds(1), "tick");
    return state.timer.number;
  }
  void handle_cast(const Message& message, State& state, Context& context) {
    context.reply(state.waiting, message.name());
    state.asked = context.call("bank", "balance");
  }
  void handle_info(const Message& message, State& state, Context& context) {
    if (const auto answer = message.answer()) {
      const bool own = answer->reference() == state.asked;
      context.cast("log", own ? "answered" : "stray", answer->integer().value_or(0));
    }
  }
  peeper::Result handle_continue(std::string_view argument, State&, Context& context) {
    context.cast("log", "continue", argument);
    return peeper::noreply().hibernate();
  }
  void terminate(std::string_view reason, State&, Context& context) {
    context.cast("log", "terminate", reason);
  }
  State code_change(std::uint64_t old_version, V0& old, Context& context) {
    context.cast("log", "change", old_version);
    return {.text = std::move(old.text)};
  }
  State code_change(std::uint64_t old_version, V1& old) {
    if (old.number < 0) throw std::runtime_error("not that one");
    const std::string text = std::to_string(old_version) + ":" + std::to_string(old.number);
    return {.text = peeper::string(std::string_view(text))};
  }
  peeper::Value format_status(const State& state, const Context& context) const {
    return peeper::Value::map({{"server", context.server()}, {"letters", state.text.size()}});
  }
  static bool reads_only(const Message& message) { return message.name() == "look"; }
};

// The same callbacks, without a Context, and static where they can be.
struct Plain {
  struct State {
    std::int64_t count = 0;
    peeper::vector<int> many{};
  };
  static State init(Context& context) { return {.count = static_cast<int>(context.incarnation())}; }
  static peeper::Stop handle_start(State& state) { return peeper::stop("start " + text(state)); }
  static int handle_call(const Message&, const State& state, Context&) {
    return static_cast<int>(state.count);
  }
  static peeper::Result handle_continue(std::string_view argument, State& state) {
    state.count = static_cast<std::int64_t>(argument.size());
    return peeper::reply("nobody hears this");
  }
  const peeper::vector<int>& format_status(const State& state) const { return state.many; }
  static std::string text(const State& state) { return std::to_string(state.count); }
};

// A template is a callback, too.
struct Templates {
  struct State {
    int count = 1;
  };
  State init() { return {}; }
  template <class... Rest>
  auto handle_call(const Message&, Rest&&... rest) {
    return static_cast<int>(sizeof...(rest));
  }
  void handle_start(auto& state) { state.count = 5; }
};

struct Unmoved {
  struct State {
    explicit State(int number) : count(number) {}
    State(const State&) = delete;
    int count;
  };
  State init() { return State(4); }
};

template <class Old, class B>
void change(Driver<B>& driver, std::size_t index, Old* old, void* memory) {
  const peeper::abi::CodeChange& change = driver.table().code_changes[index];
  change.change(driver.object(), change.from.version, old, memory);
}

}  // namespace

template <>
inline constexpr bool peeper::lives_in_heap<WithContext::V1> = true;
template <>
inline constexpr bool peeper::lives_in_heap<Unmoved::State> = true;

TEST_CASE("init may say what comes next, and every callback may take a context") {
  TestHeap heap;
  TestHost host(heap);
  Driver<WithContext> server({"five"});
  CHECK(server.then == Then::kContinue);
  CHECK(server.argument == "after init");
  CHECK(server.state().text == "five");
  CHECK(server.start() == Action::kNoReply);
  CHECK(server.go_on("now") == Action::kNoReply);
  CHECK(server.then == Then::kHibernate);
  server.terminate("shutdown");
  CHECK(host.done == Lines{"cast log init five", "cast log start five", "cast log continue now",
                           "cast log terminate shutdown"});
}

TEST_CASE("a caller kept in the state is answered from a later message") {
  TestHeap heap;
  TestHost host(heap);
  Driver<WithContext> server({"x"});
  CHECK(server.run(MessageKind::kCall, "wait") == Action::kNoReply);
  CHECK(server.run(MessageKind::kCast, "now") == Action::kNoReply);
  CHECK(host.replied.request == 77);
  CHECK(host.done[1] == "reply $3\r\nnow\r\n");
}

TEST_CASE("an answer arrives as an info and is told by its reference") {
  TestHeap heap;
  TestHost host(heap);
  Driver<WithContext> server({"x"});
  CHECK(server.run(MessageKind::kCast, "ask") == Action::kNoReply);
  const std::uint64_t reference = server.state().asked.number;
  CHECK(reference != 0);
  host.done.clear();
  CHECK(server.run(MessageKind::kAnswer, "answer", {":42\r\n"}, reference) == Action::kNoReply);
  CHECK(server.run(MessageKind::kAnswer, "answer", {":1\r\n"}, reference + 1) == Action::kNoReply);
  CHECK(server.run(MessageKind::kInfo, "answer", {":42\r\n"}) == Action::kNoReply);
  CHECK(host.done == Lines{"cast log answered 42", "cast log stray 1"});
}

TEST_CASE("callbacks without a context, static ones and templates are found as well") {
  TestHeap heap;
  TestHost host(heap);
  Driver<Plain> plain;
  CHECK(!plain.then);
  CHECK(plain.run(MessageKind::kCall, "any") == Action::kReply);
  CHECK(plain.reply == ":3\r\n");
  CHECK(plain.start() == Action::kStop);
  CHECK(plain.reason == "start 3");
  CHECK((plain.table().terminate == nullptr));
  CHECK(plain.go_on("1234567") == Action::kNoReply);
  CHECK(plain.reply.empty());
  CHECK(plain.state().count == 7);

  Driver<Templates> templates;
  CHECK(templates.run(MessageKind::kCall, "any") == Action::kReply);
  CHECK(templates.reply == ":3\r\n");  // From, State, Context
  CHECK(templates.start() == Action::kNoReply);
  CHECK(templates.state().count == 5);

  Driver<Unmoved> unmoved;
  CHECK(unmoved.state().count == 4);
}

TEST_CASE("a callback that takes a const state only reads, with a context or without") {
  using peeper::abi::kCallReadsOnly;
  using peeper::abi::kFormatsStatus;
  CHECK(Driver<Plain>::table().flags == (kCallReadsOnly | kFormatsStatus));
  CHECK(Driver<WithContext>::table().flags == kFormatsStatus);
  CHECK(Driver<Templates>::table().flags == 0);
}

TEST_CASE("reads_only is asked call by call") {
  TestHeap heap;
  TestHost host(heap);
  Driver<WithContext> server({"x"});
  CHECK(server.reads_only("look"));
  CHECK_FALSE(server.reads_only("change"));
  CHECK((Driver<Plain>::table().reads_only == nullptr));
}

TEST_CASE("format_status decides what is shown, and is bounded as a state is") {
  TestHeap heap;
  TestHost host(heap);
  Driver<WithContext> server({"secret"});
  CHECK(server.shown() == "%2\r\n$6\r\nserver\r\n$6\r\ntested\r\n$7\r\nletters\r\n:6\r\n");
  Driver<Plain> plain;
  plain.state().many.assign(peeper::kShownElements + 7, 1);
  CHECK(plain.shown().starts_with("*1001\r\n:1\r\n"));
  CHECK(plain.shown().ends_with("... 7 more\r\n"));
  // A path leads into what it returns.
  CHECK(server.shown("letters") == ":6\r\n");
  CHECK(plain.shown("1006") == ":1\r\n");
}

TEST_CASE("old states are listed with their versions and sizes") {
  const peeper::abi::Behaviour& table = Driver<WithContext>::table();
  REQUIRE(table.code_change_count == 2);
  CHECK(table.state.version == 2);
  CHECK(table.code_changes[0].from.version == 0);
  CHECK(table.code_changes[0].from.size == sizeof(WithContext::V0));
  CHECK(table.code_changes[0].from.alignment == alignof(WithContext::V0));
  CHECK(peeper::detail::view(table.code_changes[1].from.name) ==
        "(anonymous namespace)::WithContext::V1");
  CHECK(table.code_changes[1].from.version == 1);
}

TEST_CASE("code_change builds the new state and ends the old one") {
  TestHeap heap;
  TestHost host(heap);
  Driver<WithContext> server({"x"});
  const std::size_t before = heap.free_bytes();
  auto* first = heap.construct<WithContext::V0>();
  first->text = "a text that is too long to lie in the string itself";
  void* memory = peeper::detail::allocate(sizeof(WithContext::State), 8);
  change(server, 0, first, memory);
  auto* state = static_cast<WithContext::State*>(memory);
  CHECK(state->text == "a text that is too long to lie in the string itself");
  CHECK(host.done.back() == "cast log change 0");
  peeper::detail::deallocate(first);
  heap.destroy(state);
  CHECK(heap.free_bytes() == before);

  WithContext::V1 second{.number = 9};
  memory = peeper::detail::allocate(sizeof(WithContext::State), 8);
  const int destroyed = WithContext::V1::destroyed;
  change(server, 1, &second, memory);
  CHECK(WithContext::V1::destroyed == destroyed + 1);
  CHECK(static_cast<WithContext::State*>(memory)->text == "1:9");
}

TEST_CASE("a code_change that throws leaves the old state alive") {
  TestHeap heap;
  TestHost host(heap);
  Driver<WithContext> server({"x"});
  WithContext::V1 old{.number = -1};
  const int destroyed = WithContext::V1::destroyed;
  void* memory = peeper::detail::allocate(sizeof(WithContext::State), 8);
  CHECK_THROWS_WITH_AS(change(server, 1, &old, memory), "not that one", std::runtime_error);
  CHECK(WithContext::V1::destroyed == destroyed);
}
