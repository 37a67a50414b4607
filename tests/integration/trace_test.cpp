// `peeper trace SERVER`, live, against what clients did; and those who subscribe and don't read.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <csignal>
#include <string>
#include <thread>
#include <vector>

#include "instance.hpp"
#include "pty.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// It follows once it has subscribed, which nothing else tells.
void await_first_event(const Instance& peeperd, Talk& talk, Pty& terminal) {
  peeperd.await([&] {
    talk({"CALL", "counter", "state"});
    terminal.look(50ms);
    return terminal.all().find('\n') != std::string::npos;
  });
}

}  // namespace

TEST_CASE("trace shows each message with who sent it, each reply with its time, crashes and starts") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Pty terminal{{program("peeper"), "--socket", peeperd.socket(), "trace", "counter"}, {24, 200}};
  const auto await = [&](std::string_view text) {
    return terminal.await([&](const std::string& all) { return all.find(text) != all.npos; });
  };
  Talk talk = peeperd.talk();
  await_first_event(peeperd, talk, terminal);
  CHECK(talk({"CALL", "counter", "add", "a b"}).starts_with("-BADARG"));
  REQUIRE(await(": add \"a b\"\r\n"));
  REQUIRE(await("(error) BADARG add needs an integer"));
  CHECK(peeperd.peeper({"call", "--id", "once", "counter", "inc"}).out == "1\n");
  REQUIRE(await(": inc\r\n"));  // the token is no argument
  CHECK(talk({"CAST", "counter", "inc"}) == "OK");
  REQUIRE(await("got cast from client"));
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  REQUIRE(await("crashed: SIGSEGV"));
  REQUIRE(await("starts incarnation 2"));
  CHECK(talk({"CALL", "counter", "inc"}) == "3");
  REQUIRE(await(": 3 ("));
  REQUIRE(await(" ms)\r\n"));
  terminal.signal(SIGTERM);
  CHECK(terminal.wait().has_value());
  peeperd.stop();
}

TEST_CASE("trace goes on after peeperd was killed, and says that events are missing") {
  Instance peeperd{counter_config()};
  peeperd.start();
  for (const bool json : {false, true}) {
    CAPTURE(json);
    std::vector<std::string> command{program("peeper"), "--socket", peeperd.socket()};
    if (json) command.push_back("--json");
    command.insert(command.end(), {"trace", "counter"});
    Pty terminal{command, {24, 200}};
    Talk before = peeperd.talk();
    await_first_event(peeperd, before, terminal);
    CHECK(terminal.all().find("are missing") == std::string::npos);
    peeperd.kill_daemon();
    peeperd.start();
    Talk talk = peeperd.talk();
    peeperd.await([&] {
      talk({"CALL", "counter", "state"});
      terminal.look(50ms);
      return terminal.all().find("the connection was lost: events are missing\r\n") !=
             std::string::npos;
    });
    terminal.signal(SIGTERM);
    CHECK(terminal.wait().has_value());
  }
  peeperd.stop();
}

TEST_CASE("trace under load says how much it left out") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  Talk follower = peeperd.talk();
  follower.send({"SUBSCRIBE", "counter!trace"});
  CHECK(follower.receive().starts_with("[subscribe"));
  constexpr int kMany = 20'000;
  std::string all;
  for (int i = 0; i < kMany; ++i) all += "CALL counter inc\r\n";
  talk.send_raw(all);
  for (int i = 0; i < kMany; ++i) REQUIRE(talk.receive() == std::to_string(i + 1));
  // An event of a later second tells how many were left out before it.
  std::this_thread::sleep_for(1100ms);
  CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(kMany + 1));
  std::int64_t told = 0;
  std::int64_t dropped = 0;
  for (bool is_last = false; !is_last;) {
    const auto push = follower.client().receive(kPatience);
    REQUIRE(push.has_value());
    const resp::Reply& event = push->elements.at(2);
    ++told;
    dropped += event.field("dropped")->integer;
    const resp::Reply* reply = event.field("reply");
    is_last = reply != nullptr && reply->integer == kMany + 1;
  }
  CHECK(told >= 1'000);
  CHECK(dropped > 0);
  CHECK(told + dropped == 2 * (kMany + 1));
  // Nobody follows any more.
  follower.send({"UNSUBSCRIBE", "counter!trace"});
  CHECK(follower.receive().starts_with("[unsubscribe"));
  CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(kMany + 2));
  follower.send({"PING"});
  CHECK(follower.receive() == "PONG");
  peeperd.stop();
}

TEST_CASE("trace of no server, and as JSON") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const Ran ran = peeperd.peeper({"trace", "nobody"});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err.starts_with("(error) NOSERVER"));
  Pty terminal{{program("peeper"), "--socket", peeperd.socket(), "--json", "trace", "counter"},
               {24, 200}};
  Talk talk = peeperd.talk();
  await_first_event(peeperd, talk, terminal);
  const auto event = boost::json::parse(terminal.all().substr(0, terminal.all().find('\r')));
  CHECK(event.at("server") == "counter");
  CHECK(event.as_object().contains("event"));
  terminal.signal(SIGTERM);
  CHECK(terminal.wait().has_value());
  peeperd.stop();
}
