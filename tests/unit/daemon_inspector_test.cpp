// The process that shows a state: what it may take, and what becomes of what it says.
#include <doctest/doctest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <optional>
#include <string>

#include "daemon/inspection/inspector.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;

namespace {

LaunchSpec shell(const std::string& script) { return {"/bin/sh", {"-c", script}, {}}; }

// What comes of a program in the inspector's place.
Result<std::string> outcome(const std::string& script, std::chrono::milliseconds limit = 20s) {
  boost::asio::io_context loop;
  const auto work = boost::asio::make_work_guard(loop);  // it doesn't stop when it has none
  Inspector inspector{loop, limit};
  std::optional<Result<std::string>> answer;
  const auto started =
      inspector.start(shell(script), [&](const Result<std::string>& ended) { answer = ended; });
  REQUIRE(started.has_value());
  CHECK(inspector.runs());
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!answer && std::chrono::steady_clock::now() < deadline) loop.run_one_for(5ms);
  REQUIRE(answer.has_value());
  CHECK_FALSE(inspector.runs());
  return *answer;
}

std::string failure(const std::string& script, std::chrono::milliseconds limit = 20s) {
  const auto answer = outcome(script, limit);
  return answer ? "(none)" : answer.error().what;
}

}  // namespace

TEST_CASE("inspector: what it says is the answer if it is one value, large or small") {
  CHECK(*outcome("printf ':5\\r\\n' >&3") == ":5\r\n");
  const auto large = outcome("printf '$1000000\\r\\n' >&3; head -c 1000000 /dev/zero >&3; "
                             "printf '\\r\\n' >&3");
  REQUIRE(large.has_value());
  CHECK(large->size() == 1'000'000 + 12);
  // What it has started holds the pipe open.
  CHECK(*outcome("sleep 1000 & printf ':5\\r\\n' >&3") == ":5\r\n");
}

TEST_CASE("inspector: whatever else it does is told") {
  const std::string no_answer = "the process that shows the state ended without an answer";
  CHECK(failure("exit 0") == no_answer);
  CHECK(failure("printf ':5\\r\\n' >&3; exit 1") == no_answer);
  CHECK(failure("printf 'garbage' >&3") == no_answer);
  CHECK(failure("printf ':5\\r\\n:6\\r\\n' >&3") == no_answer);
  CHECK(failure("printf ':5\\r\\n' >&3; kill -SEGV $$") == "showing the state crashed: SIGSEGV");
  CHECK(failure("printf ':5\\r\\n' >&3; sleep 1000", 100ms) ==
        "showing the state takes more than 100 ms");
  CHECK(failure("cat /dev/zero >&3") == "the state is shown in more than 16777216 bytes");
  CHECK(outcome("exit 75").error().system_error == EAGAIN);
}

TEST_CASE("inspector: one that is cancelled has ended, and tells nobody, another may start") {
  boost::asio::io_context loop;
  const auto work = boost::asio::make_work_guard(loop);
  Inspector inspector{loop};
  int ended = 0;
  REQUIRE(inspector.start(shell("sleep 1000"), [&](const auto&) { ended += 100; }).has_value());
  loop.run_for(5ms);
  inspector.cancel();
  CHECK_FALSE(inspector.runs());
  REQUIRE(inspector.start(shell("printf ':1\\r\\n' >&3"), [&](const auto& answer) {
    if (answer && *answer == ":1\r\n") ++ended;
  }).has_value());
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (ended == 0 && std::chrono::steady_clock::now() < deadline) loop.run_one_for(5ms);
  CHECK(ended == 1);
  LaunchSpec none{"/no/such/program", {}, {}};
  CHECK_FALSE(inspector.start(none, [&](const auto&) { ended += 100; }).has_value());
  CHECK_FALSE(inspector.runs());
}
