// What a callback says about what comes next, and how it reaches the worker.
#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <stdexcept>
#include <string>
#include <string_view>

#include "peeper/server.hpp"
#include "sdk_test_driver.hpp"
#include "sdk_test_heap.hpp"

namespace {

using namespace std::chrono_literals;
using peeper::Message;
using peeper::Result;
using peeper::abi::Action;
using peeper::abi::MessageKind;
using peeper::abi::Then;
using peeper::test::Driver;

constexpr std::uint64_t kMostNs = 9'223'372'036'854'775'807;

// Says what the message's name says.
Result said(std::string_view name) {
  if (name == "timeout") return peeper::noreply().timeout(1500ms);
  if (name == "hibernate") return peeper::reply(1).hibernate();
  if (name == "continue") return peeper::reply(2).continue_with({"more\0", 5});
  if (name == "last one") return peeper::noreply().timeout(1s).continue_with("x").hibernate();
  if (name == "stop") return peeper::stop("normal");
  if (name == "stop and more") {
    Result result = peeper::stop("normal", 3);
    result.timeout(1s);
    return result;
  }
  Result result = peeper::reply("text");
  result.timeout(2s);
  result.continue_with(std::string(1000, 'x'));
  return result;
}

struct Says {
  struct State {
    peeper::Timer timer;
  };
  static State init() { return {}; }
  static Result handle_call(const Message& message, State&) { return said(message.name()); }
  static Result handle_cast(const Message& message, State&) { return said(message.name()); }
  static Result handle_info(const Message& message, State&) { return said(message.name()); }
  static Result handle_continue(std::string_view argument, State&) { return said(argument); }
  static Result handle_start(State&) { return said("timeout"); }
};

// As above, without a handle_continue.
struct NotContinued {
  struct State {};
  static State init() { return {}; }
  static Result handle_call(const Message& message, State&) { return said(message.name()); }
};

}  // namespace

TEST_CASE("a result's timeout, hibernation or continuation reaches the worker") {
  peeper::test::TestHeap heap;
  Driver<Says> server;
  CHECK(server.run(MessageKind::kCall, "timeout") == Action::kNoReply);
  CHECK(server.then == Then::kTimeout);
  CHECK(server.ns == 1'500'000'000);
  CHECK(server.run(MessageKind::kCall, "hibernate") == Action::kReply);
  CHECK(server.reply == ":1\r\n");
  CHECK(server.then == Then::kHibernate);
  CHECK(server.run(MessageKind::kCall, "continue") == Action::kReply);
  CHECK(server.reply == ":2\r\n");
  CHECK(server.then == Then::kContinue);
  CHECK(server.argument == std::string_view("more\0", 5));
}

TEST_CASE("only the last of timeout, hibernate and continue_with counts") {
  peeper::test::TestHeap heap;
  Driver<Says> server;
  CHECK(server.run(MessageKind::kCall, "last one") == Action::kNoReply);
  CHECK(server.then == Then::kHibernate);
  CHECK(server.ns == 0);
  CHECK(server.argument.empty());
  CHECK(server.run(MessageKind::kCall, "else") == Action::kReply);
  CHECK(server.reply == "$4\r\ntext\r\n");
  CHECK(server.then == Then::kContinue);
  CHECK(server.ns == 0);
  CHECK(server.argument.size() == 1000);
}

TEST_CASE("casts, infos, continuations and starts say what comes next as calls do") {
  peeper::test::TestHeap heap;
  Driver<Says> server;
  for (const MessageKind kind : {MessageKind::kCast, MessageKind::kInfo, MessageKind::kAnswer}) {
    CHECK(server.run(kind, "continue") == Action::kNoReply);
    CHECK(server.reply.empty());
    CHECK(server.then == Then::kContinue);
  }
  CHECK(server.go_on("hibernate") == Action::kNoReply);
  CHECK(server.then == Then::kHibernate);
  CHECK(server.go_on("stop") == Action::kStop);
  CHECK(server.reason == "normal");
  CHECK(server.start() == Action::kNoReply);
  CHECK(server.then == Then::kTimeout);
}

TEST_CASE("nothing comes after a stop") {
  peeper::test::TestHeap heap;
  Driver<Says> server;
  CHECK(server.run(MessageKind::kCall, "stop and more") == Action::kReplyAndStop);
  CHECK(server.reply == ":3\r\n");
  CHECK(server.reason == "normal");
  CHECK(!server.then);
  CHECK(server.run(MessageKind::kCast, "stop and more") == Action::kStop);
  CHECK(!server.then);
}

TEST_CASE("continue_with in a server without handle_continue throws") {
  peeper::test::TestHeap heap;
  Driver<NotContinued> server;
  CHECK_THROWS_WITH_AS((void)server.run(MessageKind::kCall, "continue"),
                       "peeper: continue_with() in a server that has no handle_continue",
                       std::logic_error);
  CHECK(server.run(MessageKind::kCall, "timeout") == Action::kNoReply);
}

TEST_CASE("a duration becomes whole nanoseconds, never fewer, at most 292 years") {
  using peeper::detail::nanoseconds_in;
  CHECK(nanoseconds_in(0s) == 0);
  CHECK(nanoseconds_in(7ns) == 7);
  CHECK(nanoseconds_in(2h) == 7'200'000'000'000);
  CHECK(nanoseconds_in(1.5ms) == 1'500'000);
  CHECK(nanoseconds_in(std::chrono::duration<int, std::pico>(1)) == 1);
  CHECK(nanoseconds_in(std::chrono::duration<int, std::ratio<1, 3>>(1)) == 333'333'334);
  CHECK(nanoseconds_in(std::chrono::nanoseconds(kMostNs - 1)) == kMostNs - 1);
  CHECK(nanoseconds_in(std::chrono::nanoseconds::max()) == kMostNs);
  CHECK(nanoseconds_in(std::chrono::years(292)) < kMostNs);
  CHECK(nanoseconds_in(std::chrono::years(300)) == kMostNs);
  CHECK(nanoseconds_in(std::chrono::hours::max()) == kMostNs);
  CHECK(nanoseconds_in(std::chrono::duration<double>(std::numeric_limits<double>::infinity())) ==
        kMostNs);
}

TEST_CASE("a negative duration, or none at all, is refused") {
  CHECK_THROWS_AS((void)peeper::noreply().timeout(-1ns), std::invalid_argument);
  CHECK_THROWS_AS((void)peeper::noreply().timeout(std::chrono::hours::min()),
                  std::invalid_argument);
  CHECK_THROWS_AS((void)peeper::noreply().timeout(
                      std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())),
                  std::invalid_argument);
}
