// Exactly once, under random SIGKILLs of workers, keepers and the daemon: messages between servers,
// timers, retries with tokens.
#include <atomic>
#include <random>
#include <thread>

#include "contract.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// Kills something of the pair, at random; a dead daemon is started again.
class Killer {
 public:
  Killer(Pair& pair, std::uint32_t seed) : pair_(pair), random_(seed) {}

  void strike() {
    const std::string_view server = random_() % 2 == 0 ? "a" : "b";
    switch (random_() % 8) {
      case 0:
        pair_.peeperd.kill_daemon();
        pair_.peeperd.start();
        ++daemons;
        return;
      case 1: return kill(pair_.peeperd.keeper(server));
      default: return kill(pair_.peeperd.worker(server));
    }
  }
  int daemons = 0;
  int others = 0;

 private:
  void kill(int pid) {
    if (pid == 0) return;
    const Watch victim{pid};
    victim.kill(SIGKILL);
    REQUIRE(victim.gone());
    ++others;
  }

  Pair& pair_;
  std::mt19937 random_;
};

}  // namespace

TEST_CASE("two servers send each other 10 000 messages under kill -9: each comes once, in order") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  // A message that ran when its worker was killed was dropped otherwise: it had arrived.
  Pair pair{"mailbox = \"64KiB\"\non_crash = \"retry\"\nretries = 100\n"};
  Killer killer{pair, seed};
  constexpr const char* kCount = "10000";
  CHECK(pair.call({"stream", "b", kCount}, "a") == "OK");
  CHECK(pair.call({"stream", "a", kCount}, "b") == "OK");
  // A number that never comes keeps this waiting until the test's time is over.
  const auto done = [&](std::string_view server) {
    return pair.call({"received"}, server) == std::string("[") + kCount + " 0]";
  };
  int strikes = 0;
  while (!(done("a") && done("b"))) {
    REQUIRE(pair.call({"received"}, "a").find(" 0]") != std::string::npos);
    killer.strike();
    ++strikes;
  }
  MESSAGE("kills: " << strikes << ", of the daemon: " << killer.daemons);
  CHECK(strikes > 3);
  pair.peeperd.stop();
}

TEST_CASE("200 timers set under kill -9 fire once each") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Pair pair{"on_crash = \"retry\"\n"};
  std::mt19937 random{seed};
  for (int i = 0; i < 200; ++i) {
    const std::string name = "t" + std::to_string(i);
    // With a token: whatever happens to the answer, the timer is set once.
    const std::string token = "token" + std::to_string(i);
    const std::string delay = std::to_string(random() % 100);
    std::string answer;
    do {
      Talk talk = pair.peeperd.talk();
      answer = text_of(talk.client().command({"CALL", "ID", token, "a", "after", delay, name},
                                             std::chrono::seconds{20}));
    } while (answer[0] < '0' || answer[0] > '9');
    if (random() % 10 == 0) pair.peeperd.kill_daemon(), pair.peeperd.start();
    if (random() % 10 == 1) pair.kill_worker();
  }
  CHECK(pair.call({"after", "200", "last"})[0] != '-');
  pair.await_line("a", "info last");
  for (int i = 0; i < 200; ++i) CHECK(pair.count("a", "info t" + std::to_string(i)) == 1);
  pair.peeperd.stop();
}

TEST_CASE("calls retried with their token under kill -9 count once each") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Pair pair{"on_crash = \"retry\"\n"};
  Killer killer{pair, seed};
  std::atomic<bool> stop{false};
  constexpr int kCalls = 400;
  int resent = 0;
  int wrong = 0;
  std::thread caller{[&] {
    for (int i = 1; i <= kCalls; ++i) {
      const std::string token = "call" + std::to_string(i);
      while (true) {
        auto client = Connection::connect(pair.peeperd.socket());
        if (!client) {
          std::this_thread::yield();
          continue;
        }
        const auto reply =
            client->command({"CALL", "ID", token, "a", "inc"}, std::chrono::seconds{20});
        // In one order only, so the reply is known: also that of a call that was sent again.
        if (reply && reply->type == resp::Reply::Type::kInteger) {
          wrong += reply->integer == i ? 0 : 1;
          break;
        }
        ++resent;
      }
    }
    stop = true;
  }};
  while (!stop) killer.strike();
  caller.join();
  MESSAGE("sent again: " << resent << ", kills: " << killer.others << " and " << killer.daemons);
  CHECK(wrong == 0);
  CHECK(pair.call({"get"}) == std::to_string(kCalls));
  // The first reply again, whatever happened since.
  CHECK(pair.peeperd.talk()({"CALL", "ID", "call7", "a", "inc"}) == "7");
  CHECK(pair.peeperd.talk()({"CALL", "ID", "call7", "a", "throw", "x"}) == "7");
  pair.peeperd.stop();
}

TEST_CASE("a token that is too long or empty is refused, one of 128 bytes is taken") {
  Pair pair;
  Talk talk = pair.peeperd.talk();
  CHECK(talk({"CALL", "ID", std::string(128, 't'), "a", "inc"}) == "1");
  CHECK(talk({"CALL", "ID", std::string(128, 't'), "a", "inc"}) == "1");
  CHECK(talk({"CALL", "ID", std::string(129, 't'), "a", "inc"}).starts_with("-BADARG"));
  CHECK(talk({"CALL", "ID", "", "a", "inc"}).starts_with("-BADARG"));
  CHECK(talk({"CAST", "ID", "cast", "a", "inc"}) == "OK");
  CHECK(talk({"CAST", "ID", "cast", "a", "inc"}) == "OK");
  CHECK(talk({"CALL", "a", "get"}) == "2");
  pair.peeperd.stop();
}

TEST_CASE("a call that was left open and is asked again with its token gets the late answer") {
  Pair pair;
  {
    Talk lost = pair.peeperd.talk();
    lost.send({"CALL", "ID", "open", "a", "later"});
    CHECK(pair.call({"get"}) == "0");
  }
  pair.peeperd.kill_daemon();
  pair.peeperd.start();
  Talk again = pair.peeperd.talk();
  again.send({"CALL", "ID", "open", "a", "later"});
  CHECK(pair.call({"get"}) == "0");
  CHECK(pair.call({"answer", "done"}) == "true");
  CHECK(again.receive() == "done");
  CHECK(pair.call({"answer", "x"}) == "-NOBODY waits");  // it was left open once
  CHECK(pair.peeperd.talk()({"CALL", "ID", "open", "a", "later"}) == "done");
  pair.peeperd.stop();
}

TEST_CASE("of more tokens than dedupe_window the oldest are forgotten") {
  Pair pair{"dedupe_window = 3\n"};
  Talk talk = pair.peeperd.talk();
  for (const char* token : {"1", "2", "3", "4"}) CHECK(talk({"CALL", "ID", token, "a", "inc"}) == token);
  CHECK(talk({"CALL", "ID", "2", "a", "inc"}) == "2");
  CHECK(talk({"CALL", "ID", "1", "a", "inc"}) == "5");
  pair.peeperd.stop();
}

TEST_CASE("a reply given inside its own call is the one that a retry with its token gets") {
  Pair pair;
  for (int i = 0; i < 2; ++i) {
    CHECK(pair.peeperd.talk()({"CALL", "ID", "now", "a", "answer_now", "done"}) == "done");
    CHECK(pair.peeperd.talk()({"CALL", "ID", "two", "a", "answer_now", "1", "2"}) == "1");
    pair.kill_worker();
  }
  CHECK(pair.count("a", "second true") == 1);
  pair.peeperd.stop();
}

// --- Tokens in a small heap ----------------------------------------------------------------------

namespace {

std::string small(std::string_view behaviour, std::string_view state_size) {
  return "[[server]]\nname = \"small\"\nbehaviour = \"" + std::string(behaviour) +
         "\"\nmax_restarts = 1000\nstate_size = \"" + std::string(state_size) + "\"\n";
}

// `inc` with the tokens t1, t2 … of these numbers. The first answer that isn't its number.
std::string wrong_answer(Connection& client, int first, int last) {
  constexpr int kWindow = 100;
  int sent = first;
  for (int i = first; i <= last; ++i) {
    for (; sent <= last && sent < i + kWindow; ++sent) {
      const std::string token = "t" + std::to_string(sent);
      if (!client.send({"CALL", "ID", token, "small", "inc"}, kPatience)) return "not sent";
    }
    const std::string answer = text_of(client.receive(kPatience));
    if (answer != std::to_string(i)) return answer;
  }
  return "none";
}

}  // namespace

TEST_CASE("20 000 calls with tokens succeed in a heap that can't hold them all, the newest are known") {
  for (const char* state_size : {"64KiB", "1MiB"}) {
    CAPTURE(std::string(state_size));
    Instance peeperd{small("counter", state_size)};
    peeperd.start();
    Talk talk = peeperd.talk();
    REQUIRE(wrong_answer(talk.client(), 1, 20'000) == "none");
    CHECK(wrong_answer(talk.client(), 19'981, 20'000) == "none");
    CHECK(talk({"CALL", "small", "state"}) == "20000");
    // The oldest are forgotten.
    CHECK(talk({"CALL", "ID", "t1", "small", "inc"}) == "20001");
    peeperd.stop();
  }
}

TEST_CASE("a reply that is too large to be kept for a retry: its message still counts once") {
  Instance peeperd{small("hoard", "64KiB")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "ID", "small", "small", "fill", "1"}) == "1");
  CHECK(talk({"CALL", "ID", "large", "small", "blob", "20000"}) == std::string(20'000, 'b'));
  CHECK(talk({"CALL", "ID", "large", "small", "blob", "20000"}).starts_with(
      "-TOOBIG the message of this token was handled; its reply of 20010 bytes was too large to be "
      "kept"));
  CHECK(talk({"CALL", "ID", "small", "small", "fill", "1"}) == "1");
  peeperd.stop();
}

TEST_CASE("where the state leaves no room for tokens, messages with tokens are handled all the same") {
  Instance peeperd{small("effects", "64KiB")};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (int i = 0; i < 20; ++i)
    CHECK(talk({"CALL", "ID", "t" + std::to_string(i), "small", "entries"}) == "0");
  // Until nothing fits any more, neither with the tokens of before nor without them.
  for (int round = 0; round < 2; ++round) {
    for (const char* bytes : {"3000", "300", "1"}) {
      std::string answer = "OK";
      while (answer == "OK") answer = talk({"CALL", "small", "fill", bytes});
      CHECK(answer.find("out of state memory") != std::string::npos);
    }
    const std::string entries = talk({"CALL", "small", "entries"});
    for (int i = 0; i < 50; ++i) {
      const std::string token = std::string(100, 'n') + std::to_string(i);
      CHECK(talk({"CALL", "ID", token, "small", "entries"}) == entries);
      CHECK(talk({"CALL", "ID", token, "small", "entries"}) == entries);
    }
  }
  peeperd.stop();
}
