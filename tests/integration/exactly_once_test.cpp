// Exactly once, under random SIGKILLs of workers, keepers and the daemon: messages between servers,
// timers, retries with tokens.
#include <algorithm>
#include <array>
#include <atomic>
#include <random>
#include <thread>

#include "contract.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// Kills something of the pair, at random; a dead daemon is started again. Of the first four strikes
// one is of each kind, in any order.
class Killer {
 public:
  static constexpr std::size_t kKinds = 4;

  Killer(Pair& pair, std::uint32_t seed) : pair_(pair), random_(seed) {
    std::shuffle(first_.begin(), first_.end(), random_);
  }

  void strike() {
    const std::string_view server = random_() % 2 == 0 ? "a" : "b";
    Kind kind = kDaemon;
    if (strikes_ < first_.size()) {
      kind = first_[strikes_];
    } else if (const auto draw = random_() % 8; draw != 0) {
      kind = draw == 1 ? kKeeper : draw == 2 ? kAll : kWorker;
    }
    ++strikes_;
    switch (kind) {
      case kWorker: kill(pair_.watch(server, Pair::Role::kWorker)); break;
      case kKeeper: kill(pair_.watch(server, Pair::Role::kKeeper)); break;
      case kDaemon:
        pair_.peeperd.kill_daemon();
        pair_.peeperd.start();
        break;
      case kAll: kill_all(server); break;
    }
    ++kills_[kind];
  }

  // At least one kill of each kind there was.
  void check_all_kinds() const {
    MESSAGE("killed: workers " << kills_[kWorker] << ", keepers " << kills_[kKeeper]
                               << ", daemons " << kills_[kDaemon] << ", all at once "
                               << kills_[kAll]);
    for (const int kills : kills_) CHECK(kills > 0);
  }

 private:
  enum Kind : std::size_t { kWorker, kKeeper, kDaemon, kAll };

  static void kill(const Watch& victim) {
    victim.kill(SIGKILL);
    REQUIRE(victim.gone());
  }
  // As near to each other as three system calls are.
  void kill_all(std::string_view server) {
    const Watch worker = pair_.watch(server, Pair::Role::kWorker);
    const Watch keeper = pair_.watch(server, Pair::Role::kKeeper);
    worker.kill(SIGKILL);
    keeper.kill(SIGKILL);
    pair_.peeperd.kill_daemon();
    pair_.peeperd.start();
  }

  Pair& pair_;
  std::mt19937 random_;
  std::array<Kind, kKinds> first_{kWorker, kKeeper, kDaemon, kAll};
  std::array<int, kKinds> kills_{};
  std::size_t strikes_ = 0;
};

// Strikes until both servers answer `message` with "[COUNT 0]": so many, none out of order.
void strike_until(Pair& pair, Killer& killer, std::string_view message, const std::string& count) {
  const std::string wanted = "[" + count + " 0]";
  const auto done = [&](std::string_view server) {
    const std::string now = pair.call({message}, server);
    REQUIRE(now.ends_with(" 0]"));
    return now == wanted;
  };
  for (std::size_t i = 0; i < Killer::kKinds; ++i) killer.strike();
  // A number that never comes keeps this waiting until the test's time is over.
  while (!(done("a") && done("b"))) killer.strike();
  killer.check_all_kinds();
  // Nothing comes twice later.
  pair.fence_messages();
  for (const char* server : {"a", "b"}) {
    CHECK(pair.call({message}, server) == wanted);
    CHECK(pair.count(server, "answer ") == 0);
  }
}

// A message that ran when its worker was killed would be dropped otherwise: it had arrived.
constexpr const char* kRetry = "mailbox = \"64KiB\"\non_crash = \"retry\"\nretries = 100\n";

}  // namespace

TEST_CASE("two servers send each other 10 000 messages under kill -9: each comes once, in order") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Pair pair{kRetry};
  Killer killer{pair, seed};
  CHECK(pair.call({"stream", "b", "10000"}, "a") == "OK");
  CHECK(pair.call({"stream", "a", "10000"}, "b") == "OK");
  strike_until(pair, killer, "received", "10000");
  pair.peeperd.stop();
}

TEST_CASE("two servers call each other 1000 times under kill -9: each is answered once, in order") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Pair pair{kRetry};
  Killer killer{pair, seed};
  CHECK(pair.call({"question", "b", "1000"}, "a") == "OK");
  CHECK(pair.call({"question", "a", "1000"}, "b") == "OK");
  strike_until(pair, killer, "answered", "1000");
  for (const char* server : {"a", "b"}) CHECK(pair.call({"received"}, server) == "[1000 0]");
  pair.peeperd.stop();
}

// The outbox is freed behind what has arrived. So behind a message that waits, others arrive which
// the next peeperd finds there again.
TEST_CASE("what arrived behind a message that waits is not delivered again by the next peeperd") {
  Pair pair{"mailbox = \"64KiB\"\noverflow = \"reject\"\n"};
  const Watch receiver = pair.watch("b", Pair::Role::kWorker);
  receiver.kill(SIGSTOP);
  Talk talk = pair.peeperd.talk();
  for (const std::size_t bytes : {20'000, 2'000, 100})
    while (talk({"CAST", "b", "number", "0", std::string(bytes, 'x')}) == "OK") {
    }
  const std::string large(500, 'x');
  CHECK(pair.call({"tell", "b", "waits", large}) == "OK");
  CHECK(pair.call({"tell", "a", "note", "1"}) == "OK");
  CHECK(pair.call({"ask", "a", "inc"}) == "OK");
  pair.await_line("a", "cast note 1");
  pair.await_line("a", "answer 1");
  pair.peeperd.kill_daemon();
  pair.peeperd.start();
  pair.await_line("b", "cast waits " + large);
  pair.fence_messages();
  CHECK(pair.call({"tell", "a", "fence"}) == "OK");
  pair.await_line("a", "cast fence");
  CHECK(pair.count("b", "cast waits " + large) == 1);
  CHECK(pair.count("a", "cast note 1") == 1);
  CHECK(pair.count("a", "answer 1") == 1);
  CHECK(pair.call({"get"}) == "1");
  pair.peeperd.stop();
}

TEST_CASE("200 timers set under kill -9 fire once each") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Pair pair{"on_crash = \"retry\"\n"};
  std::mt19937 random{seed};
  int workers = 0;
  int keepers = 0;
  int daemons = 0;
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
    switch (random() % 10) {
      case 0:
        pair.peeperd.kill_daemon();
        pair.peeperd.start();
        ++daemons;
        break;
      case 1:
        pair.kill_worker();
        ++workers;
        break;
      case 2:
        pair.kill_keeper();
        ++keepers;
        break;
      default: break;
    }
  }
  CHECK(workers > 0);
  CHECK(keepers > 0);
  CHECK(daemons > 0);
  CHECK(pair.call({"after", "200", "last"})[0] != '-');
  pair.await_line("a", "info last");
  for (int i = 0; i < 200; ++i) CHECK(pair.count("a", "info t" + std::to_string(i)) == 1);
  pair.peeperd.stop();
}

TEST_CASE("calls retried with their token under kill -9 count once each") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Pair pair{"on_crash = \"retry\"\nretries = 100\n"};
  Killer killer{pair, seed};
  std::atomic<bool> stop{false};
  std::atomic<bool> abandoned{false};  // the test has failed; peeperd may be gone
  int calls = 0;
  int resent = 0;
  int wrong = 0;
  std::thread caller{[&] {
    // Until some have been sent again; as long as all tokens are remembered.
    while (!abandoned && (calls < 400 || (resent < 5 && calls < 9'000))) {
      const std::string token = "call" + std::to_string(++calls);
      while (!abandoned) {
        auto client = Connection::connect(pair.peeperd.socket());
        if (!client) {
          std::this_thread::yield();
          continue;
        }
        const auto reply =
            client->command({"CALL", "ID", token, "a", "inc"}, std::chrono::seconds{20});
        // In one order only, so the reply is known: also that of a call that was sent again.
        if (reply && reply->type == resp::Reply::Type::kInteger) {
          wrong += reply->integer == calls ? 0 : 1;
          break;
        }
        ++resent;
      }
    }
    stop = true;
  }};
  try {
    while (!stop) killer.strike();
  } catch (...) {
    abandoned = true;
    caller.join();
    throw;
  }
  caller.join();
  MESSAGE("calls: " << calls << ", sent again: " << resent);
  killer.check_all_kinds();
  CHECK(resent > 0);
  CHECK(wrong == 0);
  CHECK(pair.call({"get"}) == std::to_string(calls));
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
