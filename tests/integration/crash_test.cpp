// Every way to crash, by every kind of message: the state is that of the last commit, the caller is
// told, the connection stays, the next message works.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

struct Way {
  const char* message;
  const char* told;  // after "-CRASHED counter: "; cut where an address follows
};

constexpr Way kWays[] = {
    {"raise", "std::runtime_error: raised on request in 'raise'"},
    {"segv", "SIGSEGV at 0x0 in 'segv'"},
    {"abort", "SIGABRT in 'abort'"},
    {"exit", "exit status 1 in 'exit'"},
    {"overflow", "SIGSEGV at 0x"},
    {"inc_then_segv", "SIGSEGV at 0x0 in 'inc_then_segv'"},
    {"inc_then_raise", "std::runtime_error: raised on request in 'inc_then_raise'"},
};

// Of what 280 crashes may leave in the daemon.
#ifdef PEEPER_SANITIZED
constexpr std::int64_t kMostKib = 64 * 1024;  // such an allocator keeps what is given back
#else
constexpr std::int64_t kMostKib = 2 * 1024;
#endif

struct Children {
  int alive = 0;
  int zombies = 0;
};
Children children_of(int parent) {
  Children count;
  for (const auto& entry : std::filesystem::directory_iterator{"/proc"}) {
    std::ifstream stat{entry.path() / "stat"};
    std::string pid;
    std::string command;
    std::string state;
    int its_parent = 0;
    if (stat >> pid >> command >> state >> its_parent && its_parent == parent)
      ++(state == "Z" ? count.zombies : count.alive);
  }
  return count;
}

std::size_t open_descriptors(int pid) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator{"/proc/" + std::to_string(pid) + "/fd"})
    ++count;
  return count;
}

std::int64_t resident_kib(int pid) {
  std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
  std::string word;
  while (status >> word)
    if (word == "VmRSS:") {
      std::int64_t kib = 0;
      status >> kib;
      return kib;
    }
  return 0;
}

}  // namespace

TEST_CASE("a call that crashes its worker is told how, and nothing else is lost") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  std::int64_t count = 0;
  for (const Way& way : kWays) {
    CAPTURE(way.message);
    CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(++count));
    const int before = peeperd.worker("counter");
    const std::string answer = talk({"CALL", "counter", way.message});
    CHECK(answer.starts_with(std::string("-CRASHED counter: ") + way.told));
    if (way.message == std::string_view("overflow"))
      CHECK(answer.ends_with("(stack overflow) in 'overflow'"));
    CHECK(talk({"CALL", "counter", "state"}) == std::to_string(count));
    CHECK(peeperd.worker("counter") != before);
    peeperd.await([&] { return children_of(peeperd.daemon().pid()).zombies == 0; });
  }
  peeperd.stop();
}

TEST_CASE("a cast or an info that crashes its worker changes nothing, and the next one works") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  std::int64_t count = 0;
  for (const std::string_view verb : {"CAST", "SEND"}) {
    for (const Way& way : kWays) {
      CAPTURE(verb);
      CAPTURE(way.message);
      const int before = peeperd.worker("counter");
      CHECK(talk({verb, "counter", way.message}) == "OK");
      CHECK(talk({verb, "counter", "inc"}) == "OK");
      CHECK(talk({"CALL", "counter", "state"}) == std::to_string(++count));
      CHECK(peeperd.worker("counter") != before);
    }
  }
  CHECK(children_of(peeperd.daemon().pid()).zombies == 0);
  CHECK(peeperd.fact("counter", "crashes") == 14);
  peeperd.stop();
}

TEST_CASE("a worker killed from outside comes back, whether it was idle or in a message") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");

  const int idle = peeperd.worker("counter");
  CHECK(talk({"SYS", "KILL", "counter"}) == "OK");
  CHECK(talk({"CALL", "counter", "state"}) == "1");
  CHECK(peeperd.worker("counter") != idle);

  for (const std::string_view verb : {"CALL", "CAST", "SEND"}) {
    CAPTURE(verb);
    Talk victim = peeperd.talk();
    victim.send({verb, "counter", "inc_then_hang", "100000"});
    if (verb != "CALL") CHECK(victim.receive() == "OK");
    const Watch worker{peeperd.worker("counter")};
    peeperd.await_message("counter");
    worker.kill(SIGKILL);
    REQUIRE(worker.gone());
    if (verb == "CALL")
      CHECK(victim.receive() == "-CRASHED counter: SIGKILL in 'inc_then_hang'");
    CHECK(talk({"CALL", "counter", "state"}) == "1");
  }
  peeperd.stop();
}

TEST_CASE("of 1001 queued messages one crashes, the others are executed in order") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const Watch worker{peeperd.worker("counter")};
  worker.kill(SIGSTOP);
  for (int i = 1; i <= 1001; ++i)
    talk.send({"CALL", "counter", i == 500 ? "segv" : "inc"});
  // All of them are accepted while the worker stands still.
  Talk other = peeperd.talk();
  peeperd.await([&] { return peeperd.fact("counter", "mailbox") == 1001; });
  worker.kill(SIGCONT);
  std::int64_t expected = 0;
  for (int i = 1; i <= 1001; ++i) {
    const std::string answer = talk.receive();
    if (i == 500)
      CHECK(answer == "-CRASHED counter: SIGSEGV at 0x0 in 'segv'");
    else
      CHECK(answer == std::to_string(++expected));
  }
  CHECK(other({"CALL", "counter", "state"}) == "1000");
  peeperd.stop();
}

TEST_CASE("300 crashes in a row leave the count exact and the daemon as it was") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const auto crash_and_count = [&](int times) {
    for (int i = 0; i < times; ++i) {
      CHECK(talk({"CALL", "counter", "inc_then_segv"}).starts_with("-CRASHED counter: SIGSEGV"));
      REQUIRE(talk({"CALL", "counter", "inc"}).front() != '-');
    }
  };
  const int daemon = peeperd.daemon().pid();
  // Until the dead ones are gone, and a standby is there again. Asked by the one connection there is:
  // another would be a descriptor of the daemon's until it has seen its end.
  const auto settle = [&] {
    peeperd.await([&] {
      const auto servers = talk.reply({"SUPERVISOR", "WHICH_CHILDREN"});
      REQUIRE(servers.has_value());
      const resp::Reply* standby = servers->elements.at(0).field("standby");
      const Children now = children_of(daemon);
      return standby->type == resp::Reply::Type::kInteger && now.alive == 3 && now.zombies == 0;
    });
  };
  crash_and_count(20);  // allocators and buffers settle
  settle();
  const std::size_t descriptors = open_descriptors(daemon);
  const std::int64_t memory = resident_kib(daemon);
  crash_and_count(280);
  CHECK(talk({"CALL", "counter", "state"}) == "300");
  settle();
  // Not the very number: it opens files of /proc now and then, and is asked in the middle of it.
  peeperd.await([&] { return open_descriptors(daemon) <= descriptors; });
  CHECK(resident_kib(daemon) <= memory + kMostKib);
  peeperd.stop();
}

TEST_CASE("more crashes than the intensity allows take the server down, its state kept") {
  Instance peeperd{"[[server]]\nname = \"counter\"\nbehaviour = \"counter\"\nmax_restarts = 2\n"
                   "max_seconds = 3600\nstate_size = \"1MiB\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "add", "5"}) == "5");
  for (int i = 0; i < 3; ++i)
    CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED counter: SIGSEGV"));
  const std::string down = talk({"CALL", "counter", "state"});
  CHECK(down.starts_with("-DOWN counter: more than 2 restarts in 3600 s, last: SIGSEGV at 0x0"));
  CHECK(peeperd.text_fact("counter", "state") == "down");
  peeperd.stop();
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "5");
  peeperd.stop();
}
