// Spare workers: who takes over when the worker dies.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

int standby(Instance& peeperd, const std::string& server) {
  return static_cast<int>(peeperd.fact(server, "standby"));
}

int await_standby(Instance& peeperd, const std::string& server) {
  peeperd.await([&] { return standby(peeperd, server) != 0; });
  return standby(peeperd, server);
}

}  // namespace

TEST_CASE("the standby becomes the worker, and another is prepared behind it") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (int crashes = 1; crashes <= 5; ++crashes) {
    const int next = await_standby(peeperd, "counter");
    CHECK(next != peeperd.worker("counter"));
    CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(crashes));
    CHECK(talk({"CALL", "counter", "segv"}) == "-CRASHED counter: SIGSEGV at 0x0 in 'segv'");
    CHECK(talk({"CALL", "counter", "state"}) == std::to_string(crashes));
    CHECK(peeperd.worker("counter") == next);
    CHECK(peeperd.fact("counter", "incarnation") == crashes + 1);
  }
  const Watch last{await_standby(peeperd, "counter")};
  peeperd.stop();
  CHECK(last.gone());
}

TEST_CASE("with standby = 0 there is none, with 3 each of three crashes meets one") {
  Instance peeperd{counter_config("alone", "standby = 0") +
                   counter_config("many", "standby = 3")};
  peeperd.start();
  Talk talk = peeperd.talk();
  // Each of the servers had its time to start some.
  for (int i = 0; i < 3; ++i) {
    const int next = await_standby(peeperd, "many");
    CHECK(talk({"CALL", "many", "segv"}).starts_with("-CRASHED"));
    CHECK(talk({"CALL", "many", "inc"}) == std::to_string(i + 1));
    CHECK(peeperd.worker("many") == next);
  }
  CHECK(standby(peeperd, "alone") == 0);
  CHECK(talk({"SYS", "KILL", "alone", "standby"}) == "-DOWN alone: it has no standby now");
  CHECK(talk({"CALL", "alone", "segv"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "alone", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("a standby that dies is replaced, and neither worker nor clients notice") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const int worker = peeperd.worker("counter");
  const Watch first{await_standby(peeperd, "counter")};
  CHECK(talk({"SYS", "KILL", "counter", "standby"}) == "OK");
  REQUIRE(first.gone());
  peeperd.await([&] {
    const int now = standby(peeperd, "counter");
    return now != 0 && now != first.pid();
  });
  CHECK(peeperd.worker("counter") == worker);
  CHECK(peeperd.fact("counter", "crashes") == 0);
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("a standby that is stopped, or killed together with the worker, delays nothing for ever") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (int i = 1; i <= 20; ++i) {
    const Watch next{await_standby(peeperd, "counter")};
    const Watch worker{peeperd.worker("counter")};
    next.kill(i % 2 == 0 ? SIGSTOP : SIGKILL);
    worker.kill(SIGKILL);
    CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(i));
  }
  peeperd.stop();
}

TEST_CASE("a standby finds the heap as large as it has become meanwhile") {
  Instance peeperd{
      "[[server]]\nname = \"kv\"\nbehaviour = \"kv\"\nstate_size = \"64MiB\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  const int next = await_standby(peeperd, "kv");
  const std::string value(1'000'000, 'x');
  for (int i = 0; i < 32; ++i)
    REQUIRE(talk({"CALL", "kv", "SET", "k" + std::to_string(i), value}) == "OK");
  CHECK(standby(peeperd, "kv") == next);
  CHECK(talk({"SYS", "KILL", "kv"}) == "OK");
  for (int i = 0; i < 32; ++i)
    REQUIRE(talk({"CALL", "kv", "GET", "k" + std::to_string(i)}) == value);
  CHECK(peeperd.worker("kv") == next);
  CHECK(talk({"CALL", "kv", "SET", "k0", value + value}) == "OK");
  CHECK(talk({"CALL", "kv", "STRLEN", "k0"}) == "2000000");
  peeperd.stop();
}

TEST_CASE("after a code change the standby has the new code") {
  Instance peeperd{"[[server]]\nname = \"mine\"\nbehaviour = \"shape\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "inc"}) == "1");
  const Watch old{await_standby(peeperd, "mine")};
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", "evolved"}) == "OK");
  CHECK(old.gone());
  const int next = await_standby(peeperd, "mine");
  CHECK(talk({"SYS", "KILL", "mine"}) == "OK");
  // What shape counts by one, evolved counts by two.
  CHECK(talk({"CALL", "mine", "get"}) == "2");
  CHECK(talk({"CALL", "mine", "inc"}) == "4");
  CHECK(peeperd.worker("mine") == next);
  peeperd.stop();
}

TEST_CASE("while it waits, a standby can neither write the segment nor keep it from the worker") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const int next = await_standby(peeperd, "counter");
  // It is parked once its mapping is read-only.
  const std::string segment = "/dev/shm/peeper." + peeperd.name() + ".counter";
  const auto mappings = [&] {
    std::ifstream maps{"/proc/" + std::to_string(next) + "/maps"};
    std::vector<std::string> rights;
    for (std::string line; std::getline(maps, line);)
      if (line.ends_with(segment)) rights.push_back(line.substr(line.find(' ') + 1, 4));
    return rights;
  };
  peeperd.await([&] {
    const auto rights = mappings();
    return !rights.empty() && std::ranges::all_of(rights, [](auto& r) { return r == "r--s"; });
  });
  peeperd.stop();
}
