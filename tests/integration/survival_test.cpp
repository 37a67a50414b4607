// SIGKILL of keeper, daemon and worker, alone and together, at rest and under load: nothing that was
// acknowledged is lost, nothing is applied twice.
#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <random>
#include <thread>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

struct Combination {
  std::string names;
  Instance::Victims victims;
};

const Combination kCombinations[] = {
    {"keeper", {false, true, false}},        {"daemon", {false, false, true}},
    {"worker+keeper", {true, true, false}},  {"worker+daemon", {true, false, true}},
    {"keeper+daemon", {false, true, true}},  {"all three", {true, true, true}},
};

// Calls `inc` until told to stop. An unanswered or failed one may have happened or not.
struct Load {
  std::int64_t acknowledged = 0;
  std::int64_t unclear = 0;
  std::int64_t highest = 0;  // of the counts that were acknowledged
  bool ordered = true;       // each acknowledged count is above the one before
  std::string surprise;      // an answer that should not be
};

// Threads that end with the test, also with one that fails.
struct Clients {
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  void end() {
    stop = true;
    for (std::thread& thread : threads)
      if (thread.joinable()) thread.join();
  }
  ~Clients() { end(); }
};

void take_answer(Load& load, const Result<resp::Reply>& reply) {
  if (!reply) {
    ++load.unclear;
  } else if (reply->type == resp::Reply::Type::kInteger) {
    ++load.acknowledged;
    load.ordered = load.ordered && reply->integer > load.highest;
    load.highest = reply->integer;
  } else if (reply->text.starts_with("CRASHED ") || reply->text.starts_with("DOWN ")) {
    ++load.unclear;
  } else {
    load.surprise = text_of(reply);
  }
}

void check_sum(const std::vector<Load>& loads, std::int64_t count) {
  std::int64_t acknowledged = 0;
  std::int64_t unclear = 0;
  for (const Load& load : loads) {
    acknowledged += load.acknowledged;
    unclear += load.unclear;
    CHECK(load.ordered);
    CHECK(load.highest <= count);
    CHECK(load.surprise == "");
  }
  MESSAGE("acknowledged " << acknowledged << ", unclear " << unclear << ", counted " << count);
  CHECK(acknowledged <= count);
  CHECK(count <= acknowledged + unclear);
}

}  // namespace

TEST_CASE("at rest, any of the three processes may be killed, alone and together") {
  Instance peeperd{counter_config()};
  peeperd.start();
  std::int64_t count = 0;
  for (const Combination& combination : kCombinations) {
    const Instance::Victims victims = combination.victims;
    CAPTURE(combination.names);
    CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == std::to_string(++count));
    peeperd.kill("counter", victims);
    if (victims.daemon) peeperd.start();
    CHECK(peeperd.talk()({"CALL", "counter", "state"}) == std::to_string(count));
    CHECK(peeperd.talk()({"CAST", "counter", "inc"}) == "OK");
    CHECK(peeperd.talk()({"CALL", "counter", "state"}) == std::to_string(++count));
  }
  peeperd.stop();
}

TEST_CASE("the keeper's death alone is not noticed by clients or worker") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const int worker = peeperd.worker("counter");
  Talk talk = peeperd.talk();
  for (int i = 1; i <= 20; ++i) {
    const Watch keeper{peeperd.keeper("counter")};
    keeper.kill(SIGKILL);
    CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(i));
    REQUIRE(keeper.gone());
    peeperd.await([&] { return peeperd.keeper("counter") != 0; });
  }
  CHECK(peeperd.worker("counter") == worker);
  peeperd.stop();
}

TEST_CASE("casts that were accepted are executed though all processes are killed") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Watch worker{peeperd.worker("counter")};
  worker.kill(SIGSTOP);
  Talk talk = peeperd.talk();
  for (int i = 0; i < 1000; ++i) talk.send({"CAST", "counter", "inc"});
  for (int i = 0; i < 1000; ++i) REQUIRE(talk.receive() == "OK");
  peeperd.kill_daemon();
  REQUIRE(worker.gone());
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "1000");
  peeperd.stop();
}

TEST_CASE("under load, any of the three processes may be killed, alone and together") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  Instance peeperd{counter_config()};
  peeperd.start();

  std::vector<Load> loads(4);
  Clients clients;
  const std::atomic<bool>& stop = clients.stop;
  for (Load& load : loads)
    clients.threads.emplace_back([&] {
      while (!stop) {
        auto client = Connection::connect(peeperd.socket(), std::chrono::milliseconds{200});
        if (!client) continue;  // peeperd is being started again
        while (!stop) {
          const auto reply = client->command({"CALL", "counter", "inc"}, kPatience);
          take_answer(load, reply);
          if (!reply) break;
        }
      }
    });
  for (int round = 0; round < 3; ++round) {
    for (const Combination& combination : kCombinations) {
      const Instance::Victims victims = combination.victims;
      CAPTURE(combination.names);
      // After some messages, so that it hits a busy server.
      Talk talk = peeperd.talk();
      const std::uint32_t calls = random() % 200;
      for (std::uint32_t i = 0; i < calls; ++i) (void)talk({"CALL", "counter", "state"});
      peeperd.kill("counter", victims);
      if (victims.daemon) peeperd.start();
      REQUIRE(peeperd.talk()({"CALL", "counter", "state"}).front() != '-');
    }
  }
  clients.end();
  check_sum(loads, std::stoll(peeperd.talk()({"CALL", "counter", "state"})));
  peeperd.stop();
}

TEST_CASE("8 clients pipeline calls while the worker is killed 200 times") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  Instance peeperd{counter_config()};
  peeperd.start();

  std::atomic<std::int64_t> answers{0};
  std::vector<Load> loads(8);
  Clients clients;
  const std::atomic<bool>& stop = clients.stop;
  for (Load& load : loads)
    clients.threads.emplace_back([&] {
      auto client = Connection::connect(peeperd.socket(), kPatience);
      while (!stop) {
        constexpr int kDepth = 32;
        for (int i = 0; i < kDepth; ++i)
          if (!client->send({"CALL", "counter", "inc"}, kPatience)) load.surprise = "no send";
        for (int i = 0; i < kDepth; ++i) {
          take_answer(load, client->receive(kPatience));
          ++answers;
        }
      }
    });
  Talk killer = peeperd.talk();
  // Counted by the daemon: a kill may hit a worker that is dying already.
  while (peeperd.fact("counter", "crashes") < 200) {
    // At a random moment: after a random number of answers.
    const std::int64_t until = answers + random() % 300;
    peeperd.await([&] { return answers >= until; });
    const std::string killed = killer({"SYS", "KILL", "counter"});
    // Between two workers there is none.
    REQUIRE((killed == "OK" || killed == "-DOWN counter: it has no worker now"));
  }
  clients.end();
  for (const Load& load : loads) CHECK(load.acknowledged > 0);
  check_sum(loads, std::stoll(killer({"CALL", "counter", "state"})));
  peeperd.stop();
}

TEST_CASE("a server that hangs or crashes all the time does not delay another") {
  Instance peeperd{counter_config("good") + counter_config("bad", "callback_timeout = 0")};
  peeperd.start();
  Talk talk = peeperd.talk();
  using Clock = std::chrono::steady_clock;
  const auto median_of_calls = [&] {
    std::vector<Clock::duration> times;
    for (int i = 0; i < 501; ++i) {
      const auto begin = Clock::now();
      REQUIRE(talk({"CALL", "good", "inc"}).front() != '-');
      times.push_back(Clock::now() - begin);
    }
    std::nth_element(times.begin(), times.begin() + 250, times.end());
    return times[250];
  };
  const auto alone = median_of_calls();

  Talk hanger = peeperd.talk();
  hanger.send({"CALL", "bad", "hang", "60000"});
  peeperd.await_message("bad");
  const auto beside_a_hang = median_of_calls();
  CHECK(talk({"SYS", "KILL", "bad"}) == "OK");
  CHECK(hanger.receive() == "-CRASHED bad: SIGKILL in 'hang'");

  Clients crasher;
  crasher.threads.emplace_back([&] {
    auto client = Connection::connect(peeperd.socket(), kPatience);
    while (!crasher.stop) (void)client->command({"CALL", "bad", "segv"}, kPatience);
  });
  const auto beside_crashes = median_of_calls();
  crasher.end();
  const auto us = [](auto time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  };
  MESSAGE("median call, µs: alone " << us(alone) << ", beside a hang " << us(beside_a_hang)
                                     << ", beside a crash loop " << us(beside_crashes));
  // Far below what waiting for the other server would take, far above a busy machine's noise.
  CHECK(beside_a_hang < 50ms);
  CHECK(beside_crashes < 50ms);
  peeperd.stop();
}

TEST_CASE("an orderly stop runs terminate, keeps the segments, removes the socket and the lock") {
  Instance peeperd{counter_config()};
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "add", "7"}) == "7");
  const Watch worker{peeperd.worker("counter")};
  const Watch keeper{peeperd.keeper("counter")};
  peeperd.stop();
  CHECK(worker.gone(0ms));
  CHECK(keeper.gone(0ms));
  CHECK_FALSE(std::filesystem::exists(peeperd.socket()));
  CHECK_FALSE(std::filesystem::exists("/dev/shm/peeper." + peeperd.name()));
  CHECK(std::filesystem::exists(peeperd.segment("counter")));
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "7");
  peeperd.stop();
}

TEST_CASE("a client waiting when peeperd stops is told so") {
  Instance peeperd{counter_config("counter", "shutdown = \"brutal_kill\"\ncallback_timeout = 0")};
  peeperd.start();
  Talk talk = peeperd.talk();
  talk.send({"CALL", "counter", "hang", "60000"});
  talk.send({"CALL", "counter", "state"});
  peeperd.await_message("counter");
  peeperd.stop();
  CHECK(talk.receive() == "-CRASHED counter: SIGKILL in 'hang'");
  CHECK(talk.receive() == "-DOWN counter: peeperd is stopping");
}

TEST_CASE("a worker that ignores SIGTERM is killed after its shutdown time") {
  Instance peeperd{counter_config("counter", "shutdown = \"100ms\"\ncallback_timeout = 0")};
  peeperd.start();
  Talk talk = peeperd.talk();
  talk.send({"CALL", "counter", "inc_then_hang", "60000"});
  peeperd.await_message("counter");
  peeperd.stop();
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "0");
  peeperd.stop();
}
