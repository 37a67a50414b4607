#include <doctest/doctest.h>

#include <boost/version.hpp>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "peeper/containers.hpp"
#include "peeper/server.hpp"
#include "sdk_test_driver.hpp"
#include "sdk_test_heap.hpp"
#include "sdk_test_message.hpp"

namespace {

using peeper::Message;
using peeper::Result;
using peeper::abi::Action;
using peeper::abi::MessageKind;
using peeper::test::Driver;
using peeper::test::TestMessage;

// Has every callback; State can be neither copied nor moved.
struct Full {
  struct State {
    std::int64_t count = 0;
    std::string_view::size_type reason_size = 0;
    peeper::From waiting{};
    std::atomic<int> pinned{0};
    static constexpr int version = 3;
  };

  State init(const peeper::Args& args) {
    if (args.text() == "throw") throw std::invalid_argument("no");
    return {.count = args.integer(0)};
  }

  Result handle_call(const Message& message, peeper::From from, State& state) {
    if (message.name() == "wait") return state.waiting = from, peeper::noreply();
    if (message.name() == "stop") return peeper::stop("normal");
    if (message.name() == "last") return peeper::stop("shutdown", "bye");
    if (message.name() == "throw") throw std::runtime_error("thrown by a callback");
    return state.count;
  }

  Result handle_cast(const Message& message, State& state) {
    state.count += 1;
    if (message.name() == "last") return peeper::stop("shutdown", "nobody hears this");
    return peeper::reply("nor this");
  }

  void handle_info(const Message&, State& state) { state.count += 10; }

  static void terminate(std::string_view reason, State& state) {
    state.reason_size = reason.size();
  }
};

// Has none but init, and those below return plain values.
struct Least {
  using State = int;
  static constexpr std::uint64_t version = 9;
  State init() { return 4; }
};

struct Values {
  struct State {
    peeper::map<peeper::string, int> visits;
  };
  static State init() { return {}; }
  static const peeper::map<peeper::string, int>& handle_call(const Message&, const State& state) {
    return state.visits;
  }
};

}  // namespace

TEST_CASE("a behaviour's table tells its types and their version") {
  const peeper::abi::Behaviour& full = *peeper::detail::behaviour_table<Full>();
  CHECK(full.magic == peeper::abi::kMagic);
  CHECK(full.sdk_version == peeper::abi::kSdkVersion);
  CHECK(full.size == sizeof full);
  CHECK(peeper::detail::view(full.name) == "(anonymous namespace)::Full");
  CHECK(peeper::detail::view(full.state.name) == "(anonymous namespace)::Full::State");
  CHECK(full.state.size == sizeof(Full::State));
  CHECK(full.state.alignment == alignof(Full::State));
  CHECK(full.state.version == 3);
  CHECK(full.state.boost_version == BOOST_VERSION);
  CHECK(full.state.container_version == peeper::detail::kContainerVersion);
  CHECK(peeper::detail::behaviour_table<Least>()->state.version == 9);
  CHECK(peeper::detail::behaviour_table<Values>()->state.version == 0);
}

TEST_CASE("a call is answered with what handle_call returns") {
  peeper::test::TestHeap heap;
  Driver<Full> full({"5"});
  CHECK(full.run(MessageKind::kCall, "state") == Action::kReply);
  CHECK(full.reply == ":5\r\n");
  CHECK(full.run(MessageKind::kCall, "wait") == Action::kNoReply);
  CHECK(full.reply.empty());
  CHECK(full.state().waiting.request == 77);

  Driver<Values> values;
  CHECK(values.run(MessageKind::kCall, "any") == Action::kReply);
  CHECK(values.reply == "%0\r\n");
}

TEST_CASE("stop gives its reason, and a last reply if there is one") {
  peeper::test::TestHeap heap;
  Driver<Full> full;
  CHECK(full.run(MessageKind::kCall, "stop") == Action::kStop);
  CHECK(full.reason == "normal");
  CHECK(full.reply.empty());
  CHECK(full.run(MessageKind::kCall, "last") == Action::kReplyAndStop);
  CHECK(full.reason == "shutdown");
  CHECK(full.reply == "$3\r\nbye\r\n");
  CHECK(full.run(MessageKind::kCast, "last") == Action::kStop);
  CHECK(full.reason == "shutdown");
  CHECK(full.reply.empty());
}

TEST_CASE("casts and infos change the state and reply nothing") {
  peeper::test::TestHeap heap;
  Driver<Full> full;
  CHECK(full.run(MessageKind::kCast, "any") == Action::kNoReply);
  CHECK(full.run(MessageKind::kInfo, "any") == Action::kNoReply);
  CHECK(full.reply.empty());
  CHECK(full.state().count == 11);
  full.terminate("shutdown");
  CHECK(full.state().reason_size == 8);
  CHECK(full.shown().starts_with("%4\r\n$5\r\ncount\r\n:11\r\n"));
}

TEST_CASE("a callback that is not there is unhandled") {
  peeper::test::TestHeap heap;
  Driver<Least> least;
  CHECK(least.state() == 4);
  for (const auto kind :
       {MessageKind::kCall, MessageKind::kCast, MessageKind::kInfo, MessageKind::kAnswer}) {
    CHECK(least.run(kind, "any") == Action::kUnhandled);
  }
  const peeper::abi::Behaviour& table = *peeper::detail::behaviour_table<Least>();
  CHECK((table.start == nullptr));
  CHECK((table.reads_only == nullptr));
  CHECK((table.handle_continue == nullptr));
  CHECK((table.terminate == nullptr));
  CHECK((table.code_changes == nullptr));
  CHECK(table.code_change_count == 0);
  CHECK(least.shown() == ":4\r\n");
}

TEST_CASE("exceptions of callbacks and of the sink pass through") {
  peeper::test::TestHeap heap;
  Driver<Full> full;
  CHECK_THROWS_WITH_AS((void)full.run(MessageKind::kCall, "throw"), "thrown by a callback",
                       std::runtime_error);
  CHECK(full.run(MessageKind::kCall, "state") == Action::kReply);
  CHECK_THROWS_AS(Driver<Full>({"throw"}), std::invalid_argument);

  const peeper::abi::Sink full_sink{
      nullptr, [](void*, const char*, std::size_t) { throw std::length_error("too large"); },
      nullptr, nullptr};
  const TestMessage message(MessageKind::kCall, "state", {});
  const auto& table = *peeper::detail::behaviour_table<Full>();
  void* object = table.create();
  CHECK_THROWS_AS((void)table.handle(object, &full.state(), &message.message, &full_sink),
                  std::length_error);
  table.destroy(object);
}

TEST_CASE("a short message allocates nothing in the heap") {
  peeper::test::TestHeap heap;
  Driver<Full> full;
  const std::size_t before = heap.allocations();
  (void)full.run(MessageKind::kCall, "state");
  (void)full.run(MessageKind::kCast, "any");
  CHECK(heap.allocations() == before);
}
