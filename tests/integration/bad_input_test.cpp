// Commands that are wrong: each gets one clear error, nothing is executed, and the next one works.
#include <doctest/doctest.h>

#include <vector>

#include "instance.hpp"
#include "raw_client.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// As a client writes it on the wire.
std::string command_bytes(std::initializer_list<std::string_view> words) {
  std::string bytes = "*" + std::to_string(words.size()) + "\r\n";
  for (const std::string_view word : words)
    bytes += "$" + std::to_string(word.size()) + "\r\n" + std::string(word) + "\r\n";
  return bytes;
}

std::string all_that_comes(const Instance& peeperd, std::string_view bytes) {
  RawClient client{peeperd.socket()};
  client.send(bytes);
  return client.receive_to_end();
}

}  // namespace

TEST_CASE("a server that does not exist is named in the refusal") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string refusal =
      "-NOSERVER there is no server 'nobody'; SUPERVISOR WHICH_CHILDREN lists those there are";
  for (const std::string_view verb : {"CALL", "CAST", "SEND"})
    CHECK(talk({verb, "nobody", "inc"}) == refusal);
  CHECK(talk({"CALL", "TIMEOUT", "100", "nobody", "inc"}) == refusal);
  for (const std::string_view verb : {"GET_STATE", "GET_STATUS", "KILL"})
    CHECK(talk({"SYS", verb, "nobody"}) == refusal);
  CHECK(talk({"USE", "nobody"}) == refusal);
  // A name is not a pattern, and knows upper from lower case.
  CHECK(talk({"CALL", "Counter", "inc"}).starts_with("-NOSERVER there is no server 'Counter'"));
  CHECK(talk({"CALL", "", "inc"}).starts_with("-NOSERVER there is no server ''"));
  CHECK(talk({"CALL", "counter", "state"}) == "0");
  peeperd.stop();
}

TEST_CASE("an unknown command is named in the refusal, whatever bytes its name has") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"FLUSHALL"}).starts_with("-ERR unknown command 'FLUSHALL'; COMMAND lists those"));
  CHECK(talk({"inc", "counter"}).starts_with("-ERR unknown command 'inc'"));
  CHECK(talk({""}).starts_with("-ERR unknown command ''"));
  CHECK(talk({"a\r\n+OK\r\nb"}).starts_with("-ERR unknown command 'a??+OK??b'"));
  const std::string answer = talk({std::string(100'000, 'x')});
  CHECK(answer.starts_with("-ERR unknown command 'xxxx"));
  CHECK(answer.size() < 400);
  CHECK(talk({"CALL", "counter", "state"}) == "0");
  peeperd.stop();
}

TEST_CASE("a command with missing or surplus arguments is told what is wrong") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const auto wrong_number = [](std::string_view name) {
    return "-ERR wrong number of arguments for '" + std::string(name) + "' command";
  };
  CHECK(talk({"CALL"}) == wrong_number("call"));
  CHECK(talk({"CALL", "counter"}) == wrong_number("call"));
  CHECK(talk({"cast", "counter"}) == wrong_number("cast"));
  CHECK(talk({"SEND"}) == wrong_number("send"));
  CHECK(talk({"USE"}) == wrong_number("use"));
  CHECK(talk({"USE", "counter", "counter"}) == wrong_number("use"));
  CHECK(talk({"SUPERVISOR"}) == wrong_number("supervisor"));
  CHECK(talk({"SYS", "GET_STATE"}) == wrong_number("sys"));
  CHECK(talk({"CLIENT"}) == wrong_number("client"));

  const std::string call_usage = "-BADARG usage: CALL [TIMEOUT ms] [ID token] server message [arg ...]";
  CHECK(talk({"CALL", "TIMEOUT", "100"}) == call_usage);
  CHECK(talk({"CALL", "TIMEOUT", "100", "counter"}) == call_usage);
  CHECK(talk({"CAST", "TIMEOUT", "100", "counter"}).starts_with("-BADARG usage: CAST "));
  CHECK(talk({"SUPERVISOR", "NONSENSE"})
            .starts_with("-BADARG usage: SUPERVISOR WHICH_CHILDREN [group] | COUNT_CHILDREN"));
  CHECK(talk({"SUPERVISOR", "TERMINATE_CHILD"}).starts_with("-BADARG usage: "));
  CHECK(talk({"SUPERVISOR", "RELOAD", "counter"}).starts_with("-BADARG usage: "));
  CHECK(talk({"SUPERVISOR", "WHICH_CHILDREN", "counter"}) ==
        "-NOSERVER there is no group 'counter'");
  CHECK(talk({"SYS", "NONSENSE", "counter"}).starts_with("-BADARG usage: SYS GET_STATE server"));
  CHECK(talk({"SYS", "GET_STATE", "counter", "count", "more"}).starts_with("-BADARG usage: "));
  CHECK(talk({"SYS", "GET_STATE", "counter", std::string(5000, 'x')}) ==
        "-BADARG a path has at most 4096 bytes, and none of them is zero");
  CHECK(talk({"SYS", "GET_STATE", "counter", std::string_view("a\0b", 3)})
            .starts_with("-BADARG a path has "));
  CHECK(talk({"SYS", "KILL", "counter", "SIGNONE"}).starts_with("-BADARG no signal 'SIGNONE'"));
  CHECK(talk({"SYS", "KILL", "counter", "0"}).starts_with("-BADARG no signal '0'"));
  CHECK(talk({"SYS", "KILL", "counter", "worker", "65"}).starts_with("-BADARG no signal '65'"));
  CHECK(talk({"CALL", "ID", "", "counter", "inc"}).starts_with("-BADARG ID takes a token of 1 to"));
  CHECK(talk({"CALL", "ID", std::string(129, 't'), "counter", "inc"}).starts_with("-BADARG ID"));
  CHECK(peeperd.fact("counter", "crashes") == 0);
  CHECK(talk({"CALL", "counter", "state"}) == "0");
  peeperd.stop();
}

TEST_CASE("TIMEOUT takes milliseconds from 1 to a day and nothing else") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (const std::string_view value : {"0", "-1", "soon", "", "1.5", "+5", " 5", "5ms", "86400001",
                                       "9223372036854775808", "99999999999999999999999"}) {
    CAPTURE(value);
    for (const std::string_view verb : {"CALL", "CAST", "SEND"})
      CHECK(talk({verb, "TIMEOUT", value, "counter", "inc"}) ==
            "-BADARG TIMEOUT takes milliseconds from 1 to 86400000, not '" + std::string(value) +
                "'");
  }
  CHECK(talk({"CALL", "counter", "state"}) == "0");
  CHECK(talk({"CALL", "timeout", "86400000", "counter", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("malformed RESP is told and ends its own connection only") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk other = peeperd.talk();
  struct Malformed {
    std::string bytes;
    const char* error;
  };
  const Malformed kMalformed[] = {
      {"*1\r\n$9223372036854775808\r\nPING\r\n", "invalid bulk length"},  // 2^63
      {"*1\r\n$18446744073709551616\r\n", "invalid bulk length"},
      {"*1\r\n$-1\r\n", "invalid bulk length"},
      {"*1\r\n$+4\r\nPING\r\n", "invalid bulk length"},
      {"*1\r\n$4\r\nPINGXX", "invalid bulk length"},
      {"*1\r\n:4\r\n", "expected '$', got ':'"},
      {"*-2\r\n", "invalid multibulk length"},
      {"*9223372036854775808\r\n", "invalid multibulk length"},
      {"*1048577\r\n", "invalid multibulk length"},
      {"*three\r\n", "invalid multibulk length"},
      {"CALL counter \"inc\n", "unbalanced quotes in request"},
      {"CALL counter 'inc'x\n", "unbalanced quotes in request"},
      // No mailbox here could ever hold it.
      {"*4\r\n$4\r\nCALL\r\n$7\r\ncounter\r\n$3\r\ninc\r\n$100000000\r\n", "invalid bulk length"},
  };
  for (const auto& malformed : kMalformed) {
    const std::string& bytes = malformed.bytes;
    const std::string error = malformed.error;
    CAPTURE(bytes);
    const std::string told = "-ERR Protocol error: " + std::string(error) + "\r\n";
    // What is well-formed before it is executed, what comes after it isn't.
    CHECK(all_that_comes(peeperd, "PING\r\n" + bytes + "\r\nCAST counter inc\r\n") ==
          "+PONG\r\n" + told);
    CHECK(other({"PING"}) == "PONG");
  }
  CHECK(other({"CALL", "counter", "state"}) == "0");
  peeperd.stop();
}

TEST_CASE("a command that ends before its end is not executed") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk other = peeperd.talk();
  const std::string whole = command_bytes({"CAST", "counter", "inc"});
  const std::string line = "CAST counter inc\n";
  for (const std::string& command : {whole, line})
    for (std::size_t bytes = 0; bytes < command.size(); ++bytes) {
      CAPTURE(bytes);
      RawClient client{peeperd.socket()};
      REQUIRE(client.send(std::string_view(command).substr(0, bytes)));
      client.end_of_input();
      CHECK(client.receive_to_end() == "");
    }
  CHECK(other({"CALL", "counter", "state"}) == "0");
  for (const std::string& command : {whole, line}) {
    RawClient client{peeperd.socket()};
    REQUIRE(client.send(command));
    client.end_of_input();
    CHECK(client.receive_to_end() == "+OK\r\n");
  }
  CHECK(other({"CALL", "counter", "state"}) == "2");
  peeperd.stop();
}

TEST_CASE("a client that has said all it wants still gets its replies") {
  Instance peeperd{counter_config()};
  peeperd.start();
  RawClient client{peeperd.socket()};
  REQUIRE(client.send("CALL counter hang 100\nCALL counter inc\nPING\nCALL coun"));
  client.end_of_input();
  CHECK(client.receive_to_end() == "+OK\r\n:1\r\n+PONG\r\n");
  peeperd.stop();
}

TEST_CASE("a message larger than half the mailbox is refused and the connection goes on") {
  Instance peeperd{counter_config("counter", "mailbox = \"64KiB\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string most(32'000, 'x');
  const std::string too_big(33'000, 'x');
  for (const std::string_view verb : {"CALL", "CAST", "SEND"})
    CHECK(talk({verb, "counter", "inc", too_big}) ==
          "-TOOBIG counter: a message may fill at most half of its mailbox of 65536 bytes; raise "
          "'mailbox'");
  CHECK(talk({"CALL", "counter", "state"}) == "0");
  for (int i = 1; i <= 20; ++i) CHECK(talk({"CALL", "counter", "inc", most}) == std::to_string(i));
  peeperd.stop();
}

TEST_CASE("a message with more arguments than its mailbox can hold is refused") {
  Instance peeperd{counter_config("counter", "mailbox = \"64KiB\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  std::string bytes = "*100003\r\n$4\r\nCALL\r\n$7\r\ncounter\r\n$3\r\ninc\r\n";
  for (int i = 0; i < 100'000; ++i) bytes += "$0\r\n\r\n";
  talk.send_raw(bytes);
  CHECK(talk.receive().starts_with("-TOOBIG counter: "));
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  peeperd.stop();
}
