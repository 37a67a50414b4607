// SYS REPLACE_STATE and `peeper replace-state`. What it may return is in contract_replace_test.cpp,
// its every instruction in every_instruction_worker_test.cpp.
#include <signal.h>

#include "code_change.hpp"
#include "contract.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::vector<std::string> events(Talk& talk, std::string_view server) {
  const auto log = talk.reply({"SYS", "LOG", server});
  REQUIRE(log.has_value());
  std::vector<std::string> lines;
  for (const resp::Reply& line : log->elements) lines.push_back(line.text.substr(25));
  return lines;
}

// Waits in the mailbox of `a`, behind it the state is replaced by 7 out of its turn.
void replace_behind_an_inc(Talk& talk) {
  REQUIRE(talk({"SYS", "SUSPEND", "a"}) == "OK");
  REQUIRE(talk({"CAST", "a", "inc"}) == "OK");
  REQUIRE(talk({"SYS", "REPLACE_STATE", "a", "7"}) == "OK");
}

}  // namespace

TEST_CASE("replace_state: the state is another, and what is refused says why") {
  Instance peeperd{counter_config() + "[[server]]\nname = \"slow\"\nbehaviour = \"slow\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "REPLACE_STATE", "counter", "40"}) == "OK");
  CHECK(talk({"CALL", "counter", "inc"}) == "41");
  CHECK(talk({"sys", "replace_state", "counter", "x"}) ==
        "-BADARG counter's state is one integer");
  CHECK(talk({"SYS", "REPLACE_STATE", "counter", "1", "2"}).starts_with("-BADARG "));
  CHECK(talk({"CALL", "counter", "state"}) == "41");
  CHECK(talk({"SYS", "REPLACE_STATE", "slow", "1"}) ==
        "-DENIED server 'slow' lets nobody replace its state: its behaviour has no "
        "replace_state(const Message&, State&), see peeper-server(7)");
  CHECK(talk({"SYS", "REPLACE_STATE", "counter"}).starts_with("-BADARG usage: SYS "));
  CHECK(talk({"SYS", "REPLACE_STATE", "nobody", "1"}).starts_with("-NOSERVER "));
  CHECK(talk({"SYS", "REPLACE_STATE", "counter", std::string(3'000'000, 'x')})
            .starts_with("-TOOBIG counter: "));
  Ran ran = peeperd.peeper({"replace-state", "counter", "-5"});
  CHECK(ran.out == "OK\n");
  CHECK(ran.exit_code == 0);
  CHECK(talk({"CALL", "counter", "state"}) == "-5");
  ran = peeperd.peeper({"replace-state", "slow", "5"});
  CHECK(ran.err.find("DENIED") != std::string::npos);
  CHECK(ran.exit_code == 1);
  CHECK(peeperd.peeper({"stop", "counter"}).exit_code == 0);
  CHECK(talk({"SYS", "REPLACE_STATE", "counter", "1"}).starts_with("-DOWN counter: "));
  CHECK(peeperd.peeper({"start", "counter"}).exit_code == 0);
  CHECK(talk({"CALL", "counter", "state"}) == "-5");
  // It is no call, and counts as none.
  CHECK(peeperd.fact("counter", "crashes") == 0);
  peeperd.stop();
}

TEST_CASE("replace_state: kv takes keys and values by turns, in place of those it had") {
  Instance peeperd{"[[server]]\nname = \"kv\"\nbehaviour = \"kv\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "kv", "SET", "old", "1", "EX", "1000"}) == "OK");
  CHECK(talk({"SYS", "REPLACE_STATE", "kv", "a", "1", "b", "2", "a", "3"}) == "OK");
  CHECK(talk({"CALL", "kv", "MGET", "a", "b", "old"}) == "[3 2 (nil)]");
  CHECK(talk({"CALL", "kv", "TTL", "a"}) == "-1");
  CHECK(talk({"SYS", "REPLACE_STATE", "kv", "a"}).starts_with("-BADARG "));
  CHECK(talk({"CALL", "kv", "DBSIZE"}) == "2");
  peeperd.stop();
}

TEST_CASE("replace_state: one that crashes or throws is undone, and is no dead letter") {
  Pair pair;
  Talk talk = pair.peeperd.talk();
  CHECK(talk({"SYS", "REPLACE_STATE", "a", "3"}) == "OK");
  const std::string in = " in 'sys replace_state'";
  CHECK(talk({"SYS", "REPLACE_STATE", "a", "7", "segv"}) == "-CRASHED a: SIGSEGV" + in);
  CHECK(talk({"SYS", "REPLACE_STATE", "a", "7", "throw", "away"}).ends_with("away" + in));
  CHECK(pair.call({"get"}) == "3");
  CHECK(talk({"SYS", "DEADLETTERS", "LIST", "a"}) == "[]");
  const std::string crash = talk({"SYS", "CRASHES", "a", "SHOW", "1"});
  CHECK(crash.find("type replace_state") != std::string::npos);
  CHECK(crash.find("sender client pid ") != std::string::npos);
  // Out of its turn it is the same.
  for (const std::string_view how : {"segv", "throw"}) {
    CAPTURE(how);
    CHECK(talk({"SYS", "SUSPEND", "a"}) == "OK");
    CHECK(talk({"CAST", "a", "inc"}) == "OK");
    CHECK(talk({"SYS", "REPLACE_STATE", "a", "7", how, "away"}).ends_with(in));
    CHECK(pair.call({"get"}) == (how == "segv" ? "4" : "5"));
    CHECK(pair.peeperd.text_fact("a", "state") == "running");  // and not suspended
  }
  CHECK(pair.peeperd.fact("a", "crashes") == 4);
  CHECK(talk({"SYS", "DEADLETTERS", "LIST", "a"}) == "[]");
  pair.peeperd.stop();
}

TEST_CASE("replace_state: one that crashes a suspended server is tried as often as others are") {
  Pair pair{"on_crash = \"retry\"\nretries = 2\n", ""};
  Talk talk = pair.peeperd.talk();
  CHECK(talk({"SYS", "SUSPEND", "a"}) == "OK");
  CHECK(talk({"SYS", "REPLACE_STATE", "a", "7", "segv"}) ==
        "-CRASHED a: SIGSEGV in 'sys replace_state'");
  CHECK(pair.call({"get"}) == "0");
  // Once out of its turn, then in its turn: the next worker isn't suspended.
  CHECK(pair.peeperd.fact("a", "crashes") == 4);
  pair.peeperd.stop();
}

TEST_CASE("replace_state: of a suspended server it stops it, and hangs no longer than others") {
  Pair pair{"restart = \"transient\"\ncallback_timeout = \"200ms\"\n", ""};
  Talk talk = pair.peeperd.talk();
  CHECK(talk({"SYS", "SUSPEND", "a"}) == "OK");
  CHECK(talk({"SYS", "REPLACE_STATE", "a", "7", "hang"}) ==
        "-CRASHED a: HUNG for more than 200 ms in 'sys replace_state'");
  CHECK(talk({"SYS", "SUSPEND", "a"}) == "OK");
  CHECK(talk({"SYS", "REPLACE_STATE", "a", "7", "stop", "normal"}) == "-DOWN a: stopped: normal");
  pair.peeperd.await([&] { return pair.peeperd.text_fact("a", "state") == "down"; });
  CHECK(talk({"SYS", "REPLACE_STATE", "a", "8"}).starts_with("-DOWN a: "));
  pair.peeperd.stop();
}

TEST_CASE("replace_state: it is once, whoever dies before its turn comes") {
  Pair pair;
  const auto check = [&](std::string_view who) {
    CAPTURE(who);
    CHECK(pair.peeperd.talk()({"SYS", "RESUME", "a"}) == "OK");
    CHECK(pair.call({"get"}) == "8");
    CHECK(pair.count("a", "replace_state 7") == 1);
    CHECK(pair.call({"forget"}) == "OK");
  };
  const auto replace = [&] {
    Talk talk = pair.peeperd.talk();
    replace_behind_an_inc(talk);
  };
  replace();
  check("nobody");
  replace();
  pair.kill_worker();
  check("worker");
  replace();
  pair.kill_keeper();
  check("keeper");
  replace();
  pair.peeperd.kill_daemon();
  pair.peeperd.start();
  check("daemon");
  replace();
  pair.peeperd.kill_unseen("a");
  pair.peeperd.start();
  check("all, unseen");
  replace();
  CHECK(pair.peeperd.talk()({"SYS", "CHANGE_CODE", "a", "full"}) == "OK");
  check("an upgrade");
  replace();
  pair.peeperd.stop();
  pair.peeperd.start();
  check("a stop");
  pair.peeperd.stop();
}

TEST_CASE("replace_state: one that all processes die of is tried again in its turn, then dropped") {
  Pair pair;
  for (int death = 1; death <= 3; ++death) {
    Talk talk = pair.peeperd.talk();
    CAPTURE(death);
    if (death == 1) {
      CHECK(talk({"SYS", "SUSPEND", "a"}) == "OK");
      talk.send({"SYS", "REPLACE_STATE", "a", "7", "hang"});
    }
    pair.peeperd.await_message("a");
    pair.peeperd.kill_unseen("a");
    pair.peeperd.start();
  }
  pair.peeperd.await_message("a");
  // Three times in its turn.
  pair.peeperd.kill_unseen("a");
  pair.peeperd.start();
  CHECK(pair.call({"get"}) == "0");
  CHECK(pair.count("a", "replace_state 7 hang") == 0);
  pair.peeperd.stop();
}

TEST_CASE("replace_state: traces show it, and what it was answered") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "LOG", "counter", "on"}) == "OK");
  CHECK(talk({"SYS", "REPLACE_STATE", "counter", "40"}) == "OK");
  CHECK(talk({"SYS", "GET_STATE", "counter"}) == "[count 40]");  // still no event
  const auto lines = events(talk, "counter");
  REQUIRE(lines.size() == 2);
  CHECK(lines[0].starts_with("got system from client "));
  CHECK(lines[0].ends_with(": 'sys replace_state' '40'"));
  CHECK(lines[1].starts_with("replied to client "));
  CHECK(lines[1].ends_with(": OK"));
  // It is no call.
  CHECK(peeperd.fact("counter", "crashes") == 0);
  const auto status = talk.reply({"SYS", "GET_STATUS", "counter"});
  REQUIRE(status.has_value());
  CHECK(status->field("calls")->integer == 0);
  peeperd.stop();
}
