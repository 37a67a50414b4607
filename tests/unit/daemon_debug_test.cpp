// OTP's sys debug options: what is counted, kept and printed of a server's events.
#include <doctest/doctest.h>

#include <array>

#include "daemon/inspection/debug.hpp"
#include "daemon/values/time_text.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;
using segment::MessageType;

namespace {

constexpr Debug::Time kNow{1'999'999'999'007ms};
constexpr const char* kNowText = "2033-05-18T03:33:19.007Z";

struct Traced {
  std::vector<std::string> lines;
  Debug debug;

  explicit Traced(std::vector<config::DebugOption> options = {})
      : debug("counter", options, [this](std::string_view line) { lines.emplace_back(line); }) {}

  void call(std::vector<std::string_view> strings, std::string_view who = "client 3") {
    debug.message_in(MessageType::kCall, strings, who, kNow);
  }
  [[nodiscard]] std::vector<std::string> log() const {
    return {debug.log().begin(), debug.log().end()};
  }
};

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("nothing is on by default, and everything is off again when it was") {
  Traced server;
  CHECK_FALSE(server.debug.on());
  for (const auto option : {config::DebugOption::kTrace, config::DebugOption::kLog,
                            config::DebugOption::kStatistics}) {
    Traced other{{option}};
    CHECK(other.debug.on());
    other.debug.set_trace(Switch::kOff);
    other.debug.set_log(0);
    other.debug.set_statistics(Switch::kOff);
    CHECK_FALSE(other.debug.on());
  }
}

TEST_CASE("trace prints each event of a server, who it was, and what was said") {
  Traced server{{config::DebugOption::kTrace}};
  server.call({"add", "5"});
  const std::string_view tick = "tick";
  server.debug.message_in(MessageType::kCast, {&tick, 1}, "server clock", kNow);
  server.debug.message_in(MessageType::kInfo, {&tick, 1}, "", kNow);
  server.debug.message_in(MessageType::kGetState, {&tick, 1}, "client 3", kNow);
  server.debug.message_out(":5\r\n", "client 3", 0, kNow);
  server.debug.crashed("SIGSEGV at 0x0 in 'boom'", kNow);
  server.debug.happened("starts incarnation 2", kNow);
  CHECK(server.lines == Lines{"*DBG* counter got call from client 3: 'add' '5'",
                              "*DBG* counter got cast from server clock: 'tick'",
                              "*DBG* counter got info: 'tick'",
                              "*DBG* counter replied to client 3: 5",
                              "*DBG* counter crashed: SIGSEGV at 0x0 in 'boom'",
                              "*DBG* counter starts incarnation 2"});
  server.debug.set_trace(Switch::kOff);
  server.call({"add", "5"});
  CHECK(server.lines.size() == 6);
}

TEST_CASE("a reply is shown as what it says, not as its bytes") {
  Traced server{{config::DebugOption::kTrace}};
  const std::array<std::pair<const char*, const char*>, 10> values{{
      {"+OK\r\n", "OK"},
      {"-ERR no\r\n", "-ERR no"},
      {"$3\r\nabc\r\n", "'abc'"},
      {"$0\r\n\r\n", "''"},
      {"_\r\n", "null"},
      {"#t\r\n", "true"},
      {"#f\r\n", "false"},
      {",1.5\r\n", "1.5"},
      {"*2\r\n:1\r\n:2\r\n", "*2 :1 :2 "},
      {"", ""},
  }};
  for (const auto& [value, text] : values) {
    server.debug.message_out(value, "", 0, kNow);
    CHECK(server.lines.back() == "*DBG* counter replied: " + std::string(text));
  }
}

TEST_CASE("a line of a trace has a bounded length and nothing that a terminal obeys") {
  Traced server{{config::DebugOption::kTrace, config::DebugOption::kLog}};
  const std::string large(100'000, 'x');
  const std::string hostile = "\x1b[2J\n\r\t\x80";
  server.call({large, large}, "client 3");
  server.call(std::vector<std::string_view>(10'000, "y"), "client 3");
  server.call({hostile}, hostile);
  server.debug.message_out("$100000\r\n" + large + "\r\n", large, 0, kNow);
  server.debug.crashed(large, kNow);
  server.debug.happened(hostile, kNow);
  for (const std::string& line : server.lines) {
    CHECK(line.size() <= kDebugLineBytes + 20);
    for (const char c : line) CHECK((c >= ' ' && c <= '~'));
  }
  CHECK(server.lines[0].starts_with("*DBG* counter got call from client 3: 'xxx"));
  CHECK(server.lines[0].ends_with("xxx..."));
  CHECK(server.lines[2] == "*DBG* counter got call from ?[2J\?\?\?\?: '?[2J\?\?\?\?'");
  CHECK(server.log().size() == 6);
}

TEST_CASE("the log keeps the last ten events, or as many as it is told") {
  Traced server{{config::DebugOption::kLog}};
  const auto talk = [&](int from, int to) {
    for (int i = from; i < to; ++i) server.call({std::to_string(i)});
  };
  const auto line = [](int i) {
    std::string text{kNowText};
    return text.append(" got call from client 3: '").append(std::to_string(i)).append("'");
  };
  talk(0, 25);
  CHECK(server.lines.empty());
  REQUIRE(server.log().size() == 10);
  CHECK(server.log().front() == line(15));
  CHECK(server.log().back() == line(24));
  server.debug.set_log(3);
  CHECK(server.log() == Lines{line(22), line(23), line(24)});
  server.debug.set_log(1000 * kMostDebugLogEvents);
  talk(25, 5000);
  CHECK(server.log().size() == kMostDebugLogEvents);
  server.debug.set_log(0);
  CHECK(server.log().empty());
  talk(0, 1);
  CHECK(server.log().empty());
}

TEST_CASE("statistics count since they were switched on, and go on when switched on again") {
  Traced server;
  server.call({"before"});
  CHECK_FALSE(server.debug.statistics().has_value());
  server.debug.set_statistics(Switch::kOn, kNow);
  const std::string_view name = "x";
  server.call({"a"});
  server.debug.message_in(MessageType::kCast, {&name, 1}, "", kNow);
  server.debug.message_in(MessageType::kInfo, {&name, 1}, "", kNow);
  server.debug.message_in(MessageType::kGetState, {&name, 1}, "", kNow);
  server.debug.message_out("+OK\r\n", "", 0, kNow);
  server.debug.crashed("SIGSEGV", kNow);
  server.debug.happened("starts incarnation 2", kNow);
  server.debug.set_statistics(Switch::kOn, kNow + 1h);
  REQUIRE(server.debug.statistics().has_value());
  const Debug::Statistics counts = *server.debug.statistics();
  CHECK(counts.start_time == kNow);
  CHECK(counts.messages_in == 3);
  CHECK(counts.messages_out == 1);
  CHECK(counts.crashes == 1);
  CHECK(server.lines.empty());
  CHECK(server.log().empty());
  server.debug.set_statistics(Switch::kOff);
  CHECK_FALSE(server.debug.statistics().has_value());
  server.debug.set_statistics(Switch::kOn, kNow + 2h);
  CHECK(server.debug.statistics()->messages_in == 0);
}

TEST_CASE("times are in UTC, to the millisecond") {
  CHECK(time_text(kNow) == kNowText);
  CHECK(time_text(Debug::Time{}) == "1970-01-01T00:00:00.000Z");
}
