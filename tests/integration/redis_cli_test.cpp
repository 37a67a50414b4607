// Redis' own command line as a client.
#include <doctest/doctest.h>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

Ran redis_cli(const Instance& peeperd, std::vector<std::string> arguments,
              std::string_view input = {}) {
  arguments.insert(arguments.begin(), {"redis-cli", "-s", peeperd.socket()});
  Ran ran = run({std::move(arguments), {}, peeperd.directory(), ""}, input);
  REQUIRE_MESSAGE(ran.exit_code != 127, "there is no redis-cli; install Debian's redis-tools");
  return ran;
}

std::string out(const Ran& ran) {
  CHECK(ran.exit_code == 0);
  CHECK(ran.err == "");
  return ran.out;
}

}  // namespace

TEST_CASE("redis-cli calls, casts and sees errors") {
  Instance peeperd{counter_config()};
  peeperd.start();
  CHECK(out(redis_cli(peeperd, {"CALL", "counter", "inc"})) == "1\n");
  CHECK(out(redis_cli(peeperd, {"CAST", "counter", "add", "41"})) == "OK\n");
  CHECK(out(redis_cli(peeperd, {"CALL", "counter", "state"})) == "42\n");
  CHECK(out(redis_cli(peeperd, {"PING"})) == "PONG\n");
  CHECK(redis_cli(peeperd, {"CALL", "nobody", "inc"}).out.starts_with(
      "NOSERVER there is no server 'nobody'"));
  CHECK(redis_cli(peeperd, {"CALL", "counter", "segv"}).out.starts_with(
      "CRASHED counter: SIGSEGV at 0x0 in 'segv'"));
  CHECK(redis_cli(peeperd, {"NONSENSE"}).out.starts_with("ERR unknown command 'NONSENSE'"));
  CHECK(out(redis_cli(peeperd, {"CALL", "counter", "state"})) == "42\n");
  peeperd.stop();
}

TEST_CASE("redis-cli shows a state as an array in RESP2 and as a map in RESP3") {
  Instance peeperd{counter_config()};
  peeperd.start();
  CHECK(out(redis_cli(peeperd, {"--no-raw", "SYS", "GET_STATE", "counter"})) ==
        "1) \"count\"\n2) (integer) 0\n");
  CHECK(out(redis_cli(peeperd, {"-3", "--no-raw", "SYS", "GET_STATE", "counter"})) ==
        "1# \"count\" => (integer) 0\n");
  CHECK(out(redis_cli(peeperd, {"-3", "CALL", "counter", "inc"})) == "1\n");
  const std::string children =
      out(redis_cli(peeperd, {"-3", "--no-raw", "SUPERVISOR", "WHICH_CHILDREN"}));
  CHECK(children.find("\"server\" => \"counter\"") != std::string::npos);
  CHECK(children.find("\"in_message\" => (false)") != std::string::npos);
  peeperd.stop();
}

TEST_CASE("redis-cli reads 10 000 commands from a pipe, one after the other") {
  Instance peeperd{counter_config()};
  peeperd.start();
  std::string commands;
  std::string expected;
  for (int i = 1; i <= 10'000; ++i) {
    commands += "CALL counter inc\n";
    expected += std::to_string(i) + "\n";
  }
  CHECK(out(redis_cli(peeperd, {}, commands)) == expected);
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "10000");
  peeperd.stop();
}

TEST_CASE("redis-cli --pipe sends 10 000 commands at once, all are executed and counted") {
  Instance peeperd{counter_config()};
  peeperd.start();
  std::string commands;
  for (int i = 0; i < 10'000; ++i)
    commands += "*3\r\n$4\r\nCALL\r\n$7\r\ncounter\r\n$3\r\ninc\r\n";
  const std::string told = out(redis_cli(peeperd, {"--pipe"}, commands));
  CAPTURE(told);
  CHECK(told.ends_with("errors: 0, replies: 10000\n"));
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "10000");
  peeperd.stop();
}

TEST_CASE("redis-cli --pipe counts the commands that failed") {
  Instance peeperd{counter_config()};
  peeperd.start();
  std::string commands;
  for (int i = 0; i < 1000; ++i)
    commands += std::string("CALL TIMEOUT 60000 counter ") + (i % 10 == 0 ? "raise" : "inc") +
                "\r\n";
  const Ran ran = redis_cli(peeperd, {"--pipe"}, commands);
  CAPTURE(ran.out);
  CHECK(ran.out.ends_with("errors: 100, replies: 1000\n"));
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "900");
  peeperd.stop();
}

TEST_CASE("10 000 inline commands in one write are all executed, in order") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  std::string commands;
  for (int i = 0; i < 10'000; ++i) commands += "call counter inc\n";
  talk.send_raw(commands);
  for (int i = 1; i <= 10'000; ++i) REQUIRE(talk.receive() == std::to_string(i));
  peeperd.stop();
}
