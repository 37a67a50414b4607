// replace_state and the list of messages, as a behaviour's table has them.
#include <doctest/doctest.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "peeper/server.hpp"
#include "sdk_test_driver.hpp"
#include "sdk_test_heap.hpp"
#include "sdk_test_host.hpp"
#include "worker/runtime/message_list.hpp"

namespace {

using peeper::Kind;
using peeper::Message;
using peeper::MessageSpec;
using peeper::abi::Action;
using peeper::test::Driver;

struct WithResult {
  struct State {
    std::int64_t count = 0;
  };
  static State init() { return {}; }
  static std::int64_t handle_call(const Message&, State& state) { return state.count; }
  static void handle_info(const Message&, State&) {}
  static peeper::Result replace_state(const Message& values, State& state,
                                      peeper::Context& context) {
    if (values.name() != "replace_state" || values.kind() != Kind::call)
      throw std::logic_error("another message");
    if (values.size() != 1) return peeper::error("BADARG one value");
    state.count = values.integer(0).value_or(-1);
    if (state.count == 0) return peeper::stop("normal");
    if (state.count < 0) return peeper::noreply().timeout(std::chrono::milliseconds{5});
    context.publish("replaced", state.count);
    return state.count;
  }
  static constexpr std::array messages{
      MessageSpec{Kind::call, "get", "", "replies the count"},
      MessageSpec{Kind::info, "tick \xc3\xa9"},
  };
};

struct Plain {
  struct State {
    std::string_view::size_type bytes = 0;
  };
  static State init() { return {}; }
  void replace_state(Message values, State& state) { state.bytes = values.arg(0).size(); }
};

struct Without {
  using State = int;
  static State init() { return 1; }
};

}  // namespace

TEST_CASE("replace_state gets its values as a call's arguments, and answers as a call does") {
  peeper::test::TestHeap heap;
  const peeper::test::TestHost host{heap};
  Driver<WithResult> driver;
  CHECK(driver.replace_state({"42"}) == Action::kReply);
  CHECK(driver.reply == ":42\r\n");
  CHECK(driver.state().count == 42);
  CHECK(host.done == std::vector<std::string>{"publish replaced :42\r\n"});
  CHECK(driver.replace_state({}) == Action::kReply);
  CHECK(driver.reply == "-BADARG one value\r\n");
  CHECK(driver.replace_state({"x"}) == Action::kNoReply);
  CHECK(driver.then == peeper::abi::Then::kTimeout);
  CHECK(driver.replace_state({"0"}) == Action::kStop);
  CHECK(driver.reason == "normal");
  Driver<Plain> plain;
  CHECK(plain.replace_state({"four"}) == Action::kNoReply);
  CHECK(plain.reply.empty());
  CHECK(plain.state().bytes == 4);
  CHECK((Driver<Without>::table().replace_state == nullptr));
}

TEST_CASE("a behaviour's list of messages is one RESP3 value") {
  CHECK(peeper::worker::message_list(Driver<WithResult>::table()) ==
        "*2\r\n"
        "%4\r\n$4\r\nkind\r\n$4\r\ncall\r\n$7\r\nmessage\r\n$3\r\nget\r\n"
        "$9\r\narguments\r\n$0\r\n\r\n$4\r\ntext\r\n$17\r\nreplies the count\r\n"
        "%4\r\n$4\r\nkind\r\n$4\r\ninfo\r\n$7\r\nmessage\r\n$7\r\ntick \xc3\xa9\r\n"
        "$9\r\narguments\r\n$0\r\n\r\n$4\r\ntext\r\n$0\r\n\r\n");
  CHECK(peeper::worker::message_list(Driver<Without>::table()) == "*0\r\n");
}
