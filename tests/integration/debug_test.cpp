// SYS TRACE, STATISTICS and LOG, and the key `debug`, with a real peeperd.
#include <doctest/doctest.h>
#include <signal.h>

#include "contract.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::size_t occurrences(const std::string& text, std::string_view part) {
  std::size_t found = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::int64_t statistic(Talk& talk, std::string_view name, std::string_view server = "counter") {
  const auto map = talk.reply({"SYS", "STATISTICS", server});
  REQUIRE(map.has_value());
  const resp::Reply* field = map->field(name);
  REQUIRE(field != nullptr);
  return field->integer;
}

// The last events, without their times.
std::vector<std::string> events(Talk& talk, std::string_view server = "counter") {
  const auto log = talk.reply({"SYS", "LOG", server});
  REQUIRE(log.has_value());
  std::vector<std::string> lines;
  for (const resp::Reply& line : log->elements) {
    const std::size_t blank = line.text.find("Z ");
    REQUIRE(blank != line.text.npos);
    lines.push_back(line.text.substr(blank + 2));
  }
  return lines;
}

}  // namespace

TEST_CASE("SYS TRACE logs each message, reply, crash and start, from on to off") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  CHECK(talk({"SYS", "TRACE", "counter", "on"}) == "OK");
  CHECK(talk({"CALL", "counter", "inc"}) == "2");
  CHECK(talk({"CAST", "counter", "inc"}) == "OK");
  CHECK(talk({"SEND", "counter", "inc"}) == "OK");
  CHECK(talk({"CALL", "counter", "segv"})[0] == '-');
  CHECK(talk({"CALL", "counter", "state"}) == "4");
  CHECK(talk({"SYS", "TRACE", "counter", "off"}) == "OK");
  CHECK(talk({"CALL", "counter", "inc"}) == "5");
  peeperd.stop();
  const std::string log = peeperd.log();
  CHECK(occurrences(log, "*DBG* counter got call from client ") == 3);
  CHECK(occurrences(log, ": 'inc'") == 3);
  CHECK(occurrences(log, "*DBG* counter got cast from client ") == 1);
  CHECK(occurrences(log, "*DBG* counter got info from client ") == 1);
  CHECK(occurrences(log, "*DBG* counter replied to client ") == 3);
  CHECK(occurrences(log, "*DBG* counter crashed: SIGSEGV") == 1);
  CHECK(occurrences(log, "*DBG* counter starts incarnation 2") == 1);
}

TEST_CASE("SYS STATISTICS counts from on to off, and over crashes") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "STATISTICS", "counter"}) == "no_statistics");
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  CHECK(talk({"SYS", "STATISTICS", "counter", "on"}) == "OK");
  CHECK(talk({"CALL", "counter", "inc"}) == "2");
  CHECK(talk({"CAST", "counter", "inc"}) == "OK");
  CHECK(talk({"CALL", "counter", "segv"})[0] == '-');
  CHECK(talk({"SYS", "GET_STATE", "counter"}) != "");  // no message
  CHECK(statistic(talk, "messages_in") == 3);
  CHECK(statistic(talk, "messages_out") == 2);
  CHECK(statistic(talk, "crashes") == 1);
  const Ran ran = peeperd.peeper({"stats", "counter"});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out.find("messages_in") != std::string::npos);
  CHECK(talk({"SYS", "STATISTICS", "counter", "off"}) == "OK");
  CHECK(talk({"SYS", "STATISTICS", "counter"}) == "no_statistics");
  peeperd.stop();
}

TEST_CASE("SYS LOG keeps as many of the last events as it is told to") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  CHECK(events(talk).empty());
  CHECK(talk({"SYS", "LOG", "counter", "on"}) == "OK");
  for (int i = 2; i <= 7; ++i) CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(i));
  auto lines = events(talk);
  REQUIRE(lines.size() == 10);  // of 12
  for (std::size_t i = 0; i < 5; ++i) {
    CHECK(lines[2 * i].starts_with("got call from client "));
    CHECK(lines[2 * i].ends_with(": 'inc'"));
    CHECK(lines[2 * i + 1].starts_with("replied to client "));
    CHECK(lines[2 * i + 1].ends_with(": " + std::to_string(3 + i)));
  }
  CHECK(talk({"SYS", "LOG", "counter", "2"}) == "OK");
  CHECK(events(talk) == std::vector<std::string>{lines[8], lines[9]});
  CHECK(talk({"SYS", "LOG", "counter", "off"}) == "OK");
  CHECK(events(talk).empty());
  peeperd.stop();
}

TEST_CASE("the key debug switches trace, log and statistics on from the start") {
  Instance peeperd{counter_config("counter", "debug = [\"trace\", \"log\", \"statistics\"]\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  CHECK(statistic(talk, "messages_in") == 1);
  CHECK(events(talk).at(0) == "starts incarnation 1");
  CHECK(occurrences(peeperd.log(), "*DBG* counter got call from client ") == 1);
  peeperd.stop();
}

TEST_CASE("SYS LOG and STATISTICS know of messages from other servers, and of answers") {
  Pair pair;
  Talk talk = pair.peeperd.talk();
  for (const char* server : {"a", "b"}) {
    CHECK(talk({"SYS", "LOG", server, "on"}) == "OK");
    CHECK(talk({"SYS", "STATISTICS", server, "on"}) == "OK");
  }
  CHECK(pair.call({"tell", "b", "note", "1"}) == "OK");
  CHECK(pair.call({"ask", "b", "inc"}) == "OK");
  pair.await_line("a", "answer 1");
  auto lines = events(talk, "b");
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "got cast from server a: 'note' '1'");
  CHECK(lines[1].starts_with("got call from server a: 'inc'"));
  CHECK(statistic(talk, "messages_in", "b") == 2);
  // Two calls with their replies, and the answer.
  lines = events(talk, "a");
  REQUIRE(lines.size() == 5);
  CHECK(lines[4].starts_with("got answer from server b: "));
  CHECK(statistic(talk, "messages_in", "a") == 3);
  pair.peeperd.stop();
}

TEST_CASE("what SYS TRACE, STATISTICS and LOG don't take is refused") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (const char* what : {"TRACE", "STATISTICS", "LOG"})
    CHECK(talk({"SYS", what, "nobody", "on"}).starts_with("-NOSERVER"));
  CHECK(talk({"SYS", "TRACE", "counter"}).starts_with("-BADARG usage: SYS TRACE"));
  CHECK(talk({"SYS", "TRACE", "counter", "yes"}).starts_with("-BADARG usage: SYS TRACE"));
  CHECK(talk({"SYS", "STATISTICS", "counter", "yes"}).starts_with("-BADARG usage: SYS STAT"));
  for (const char* events : {"0", "1001", "-1", "some", ""})
    CHECK(talk({"SYS", "LOG", "counter", events}).starts_with("-BADARG LOG takes on, off, or"));
  CHECK(talk({"SYS", "LOG", "counter", "1", "2"}).starts_with("-BADARG usage: SYS LOG"));
  peeperd.stop();
}
