// SYS SUSPEND and SYS RESUME, as OTP's sys:suspend and sys:resume.
#include <signal.h>

#include <atomic>
#include <random>
#include <thread>

#include "code_change.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// Answers come all the while, so that whatever is due had its chance.
void let_pass(Instance& peeperd, std::chrono::milliseconds time) {
  Talk talk = peeperd.talk();
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) REQUIRE(talk({"PING"}) == "PONG");
}

std::int64_t sequence_of(Talk& talk, std::string_view server) {
  const auto status = talk.reply({"SYS", "GET_STATUS", server});
  REQUIRE(status.has_value());
  return status->field("sequence")->integer;
}

}  // namespace

TEST_CASE("a suspended server handles no message until it is resumed, but system messages") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  CHECK(talk({"SYS", "SUSPEND", "counter"}) == "OK");
  CHECK(talk({"SYS", "SUSPEND", "counter"}) == "OK");
  CHECK(peeperd.text_fact("counter", "state") == "suspended");
  for (int i = 0; i < 10; ++i) CHECK(talk({"CAST", "counter", "inc"}) == "OK");
  CHECK(talk({"SYS", "GET_STATE", "counter"}) == "[count 1]");
  CHECK(talk({"CALL", "TIMEOUT", "50", "counter", "inc"}).starts_with("-TIMEOUT counter: "));
  CHECK(talk({"SYS", "GET_STATE", "counter"}) == "[count 1]");
  Talk waiting = peeperd.talk();
  waiting.send({"CALL", "TIMEOUT", "60000", "counter", "inc"});
  peeperd.await([&] { return peeperd.fact("counter", "mailbox") == 14; });
  CHECK(talk({"SYS", "RESUME", "counter"}) == "OK");
  CHECK(waiting.receive() == "13");
  CHECK(peeperd.text_fact("counter", "state") == "running");
  CHECK(talk({"SYS", "RESUME", "counter"}) == "OK");
  CHECK(talk({"SYS", "GET_STATE", "counter"}) == "[count 13]");
  CHECK(talk({"SYS", "SUSPEND", "nobody"}).starts_with("-NOSERVER"));
  CHECK(talk({"SYS", "SUSPEND"}).starts_with("-ERR wrong number"));
  CHECK(peeperd.peeper({"suspend", "counter"}).out == "OK\n");
  CHECK(peeperd.peeper({"ls"}).out.find("suspended") != std::string::npos);
  CHECK(peeperd.peeper({"resume", "counter"}).out == "OK\n");
  CHECK(talk({"CALL", "counter", "state"}) == "13");
  peeperd.stop();
}

TEST_CASE("SYS SUSPEND answers once the callback in hand has ended, what it continues with waits") {
  Instance peeperd{mine("carries")};
  peeperd.start();
  const Gate gate{peeperd};
  Talk held = peeperd.talk();
  held.send({"CALL", "TIMEOUT", "60000", "mine", "hold", gate.path(), "x"});
  peeperd.await_message("mine");
  Talk asker = peeperd.talk();
  asker.send({"SYS", "SUSPEND", "mine"});
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "RESUME", "mine"}) == "OK");
  CHECK(asker.receive() == "-ERR mine was resumed before it was suspended");
  asker.send({"SYS", "SUSPEND", "mine"});
  CHECK(talk({"CAST", "mine", "nothing"}) == "OK");
  CHECK(peeperd.text_fact("mine", "state") == "running");
  gate.open();
  CHECK(held.receive() == "held");
  CHECK(asker.receive() == "OK");
  CHECK(talk({"SYS", "GET_STATE", "mine"}).find("continue x") == std::string::npos);
  CHECK(talk({"SYS", "RESUME", "mine"}) == "OK");
  CHECK(talk({"CALL", "mine", "log"}) == "[first: continue x]");
  peeperd.stop();
}

TEST_CASE("a SYS SUSPEND that times out still holds when the callback ends") {
  Instance peeperd{mine("carries")};
  peeperd.start();
  const Gate gate{peeperd};
  Talk held = peeperd.talk();
  held.send({"CALL", "TIMEOUT", "60000", "mine", "hold", gate.path(), "x"});
  peeperd.await_message("mine");
  CHECK(peeperd.talk()({"SYS", "SUSPEND", "mine"}).starts_with("-TIMEOUT mine: "));
  gate.open();
  CHECK(held.receive() == "held");
  peeperd.await([&] { return peeperd.text_fact("mine", "state") == "suspended"; });
  peeperd.stop();
}

TEST_CASE("a timer that fires while its server is suspended is handled after the resume") {
  Instance peeperd{mine("carries")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "after", "20", "ping"}) == "OK");
  CHECK(talk({"SYS", "SUSPEND", "mine"}) == "OK");
  const std::int64_t sequence = sequence_of(talk, "mine");
  let_pass(peeperd, 200ms);
  const std::string shown = talk({"SYS", "GET_STATE", "mine"});
  CHECK(sequence_of(talk, "mine") == sequence + 1);  // the question itself
  CHECK(talk({"SYS", "RESUME", "mine"}) == "OK");
  peeperd.await([&] { return talk({"CALL", "mine", "log"}) == "[first: info ping]"; });
  // Unless the machine was slower than the timer.
  if (sequence == 2) CHECK(shown.find("info ping") == std::string::npos);
  peeperd.stop();
}

TEST_CASE("the watchdog sleeps while a server is suspended, or is to be") {
  Instance peeperd{counter_config("counter", "callback_timeout = \"200ms\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  Talk caller = peeperd.talk();
  caller.send({"CALL", "counter", "hang", "1500"});
  peeperd.await_message("counter");
  CHECK(talk({"SYS", "SUSPEND", "counter"}) == "OK");  // in the middle of it
  CHECK(caller.receive().front() != '-');
  let_pass(peeperd, 500ms);
  CHECK(peeperd.fact("counter", "crashes") == 0);
  CHECK(talk({"SYS", "RESUME", "counter"}) == "OK");
  CHECK(talk({"CALL", "counter", "hang", "60000"}) ==
        "-CRASHED counter: HUNG for more than 200 ms in 'hang'");
  peeperd.stop();
}

TEST_CASE("the worker that follows a suspended one is not suspended") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (const int signal : {SIGKILL, SIGSEGV, SIGTERM}) {
    CAPTURE(signal);
    CHECK(talk({"SYS", "SUSPEND", "counter"}) == "OK");
    CHECK(talk({"CAST", "counter", "inc"}) == "OK");
    CHECK(peeperd.fact("counter", "mailbox") == 1);
    Watch{peeperd.worker("counter")}.kill(signal);
    CHECK(talk({"CALL", "counter", "inc"}).front() != '-');
    CHECK(peeperd.text_fact("counter", "state") == "running");
  }
  CHECK(talk({"CALL", "counter", "state"}) == "6");
  // Nor the next daemon's.
  CHECK(talk({"SYS", "SUSPEND", "counter"}) == "OK");
  CHECK(talk({"CAST", "counter", "inc"}) == "OK");
  peeperd.kill_daemon();
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "7");
  // Who asked for it and waits is told.
  Talk caller = peeperd.talk();
  caller.send({"CALL", "counter", "hang", "60000"});
  peeperd.await_message("counter");
  Talk asker = peeperd.talk();
  asker.send({"SYS", "SUSPEND", "counter"});
  CHECK(peeperd.talk()({"PING"}) == "PONG");
  Watch{peeperd.worker("counter")}.kill(SIGKILL);
  CHECK(asker.receive() == "-CRASHED counter: its worker ended before it was suspended");
  CHECK(caller.receive() == "-CRASHED counter: SIGKILL in 'hang'");
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "7");
  peeperd.stop();
}

TEST_CASE("a suspended server can be stopped, what it was sent is handled after the next start") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "SUSPEND", "counter"}) == "OK");
  CHECK(talk({"CAST", "counter", "inc"}) == "OK");
  Talk waiting = peeperd.talk();
  waiting.send({"CALL", "TIMEOUT", "60000", "counter", "inc"});
  peeperd.await([&] { return peeperd.fact("counter", "mailbox") == 2; });
  peeperd.stop();
  CHECK(waiting.receive() == "-DOWN counter: peeperd is stopping");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "2");
  peeperd.stop();
}

TEST_CASE("a code change of a suspended server leaves it suspended, whichever code goes on") {
  Instance peeperd{mine("carries")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "SUSPEND", "mine"}) == "OK");
  CHECK(talk({"CAST", "mine", "nothing"}) == "OK");
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", "counter"}).starts_with("-ERR code change failed: "));
  peeperd.await([&] { return peeperd.text_fact("mine", "state") == "suspended"; });
  CHECK(peeperd.text_fact("mine", "behaviour") == "carries");
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", "carries_newer"}) == "OK");
  peeperd.await([&] { return peeperd.text_fact("mine", "state") == "suspended"; });
  CHECK(peeperd.fact("mine", "mailbox") == 1);
  CHECK(talk({"SYS", "GET_STATE", "mine"}).find("count 0") != std::string::npos);
  CHECK(talk({"SYS", "RESUME", "mine"}) == "OK");
  CHECK(talk({"CALL", "mine", "who"}) == "second");
  peeperd.stop();
}

TEST_CASE("a system message that crashes a suspended server is dropped, and no other") {
  Instance peeperd{"[[server]]\nname = \"slow\"\nbehaviour = \"slow\"\nstate_size = \"1MiB\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CAST", "slow", "nap", "0"}) == "OK");
  CHECK(talk({"SYS", "GET_STATE", "slow"}) == "1");
  CHECK(talk({"CAST", "slow", "break"}) == "OK");
  CHECK(talk({"CALL", "slow", "count"}) == "-1");
  CHECK(talk({"SYS", "SUSPEND", "slow"}) == "OK");
  CHECK(talk({"CAST", "slow", "nap", "0"}) == "OK");
  Talk asker = peeperd.talk();
  asker.send({"SYS", "GET_STATE", "slow"});
  CHECK(asker.receive() == "-CRASHED slow: SIGSEGV in 'sys get_state'");
  CHECK(peeperd.fact("slow", "crashes") == 1);
  CHECK(talk({"CALL", "slow", "count"}) == "0");
  CHECK(peeperd.text_fact("slow", "state") == "running");
  CHECK(peeperd.fact("slow", "crashes") == 1);
  peeperd.stop();
}

TEST_CASE("a server that is suspended and resumed 200 times under load loses and doubles nothing") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  Instance peeperd{counter_config()};
  peeperd.start();
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> answered{0};
  std::vector<std::thread> clients;
  for (int i = 0; i < 3; ++i)
    clients.emplace_back([&] {
      auto client = Connection::connect(peeperd.socket(), kPatience);
      while (!stop)
        if (client->command({"CALL", "counter", "inc"}, kPatience)->type ==
            resp::Reply::Type::kInteger)
          ++answered;
    });
  Talk talk = peeperd.talk();
  std::int64_t moved = 0;
  for (int i = 0; i < 200; ++i) {
    const std::int64_t until = answered + random() % 20;
    peeperd.await([&] { return answered >= until; });
    if (talk({"SYS", "SUSPEND", "counter"}) != "OK") ++moved;
    const std::int64_t sequence = sequence_of(talk, "counter");
    for (int pings = 0; pings < 3; ++pings) (void)talk({"PING"});
    if (sequence_of(talk, "counter") != sequence) ++moved;
    // At once suspended and resumed again, too: none of the two is taken for the other.
    for (std::uint32_t again = random() % 3; again > 0; --again) {
      talk.send({"SYS", "RESUME", "counter"});
      talk.send({"SYS", "SUSPEND", "counter"});
      if (talk.receive() != "OK" || talk.receive() != "OK") ++moved;
      const std::int64_t then = sequence_of(talk, "counter");
      (void)talk({"PING"});
      if (sequence_of(talk, "counter") != then) ++moved;
    }
    (void)talk({"SYS", "RESUME", "counter"});
  }
  CHECK(moved == 0);
  stop = true;
  for (std::thread& client : clients) client.join();
  CHECK(talk({"CALL", "counter", "state"}) == std::to_string(answered));
  peeperd.stop();
}
