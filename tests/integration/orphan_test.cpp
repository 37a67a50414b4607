// What the others do when peeperd is killed: they end within moments, after the message in hand.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// Far more than it may take, for a loaded machine, and far less than a callback that is held.
constexpr std::chrono::seconds kSoon{5};

// A peeperd with a server that can be held in a message.
struct Held {
  Instance peeperd{"[[server]]\nname = \"slow\"\nbehaviour = \"slow\"\nstate_size = \"1MiB\"\n"
                   "max_restarts = 1000\ncallback_timeout = 0\n"};
  std::string runs = peeperd.directory() / "runs";
  std::string gate = peeperd.directory() / "gate";

  Held() {
    REQUIRE(::mkfifo(gate.c_str(), 0600) == 0);
    peeperd.start();
  }
  // Returns once the callback runs.
  void hold(std::string_view how) {
    CHECK(peeperd.talk()({"CAST", "slow", how, runs, gate}) == "OK");
    peeperd.await([&] { return count_runs() == 1; });
  }
  [[nodiscard]] long count_runs() const {
    std::ifstream file{runs};
    return std::count(std::istreambuf_iterator<char>{file}, {}, '\n');
  }
  // Lets the callback end.
  void open() const {
    peeperd.await([&] {
      return UniqueFd{::open(gate.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)}.get() >= 0;
    });
  }
  std::string count() { return peeperd.talk()({"CALL", "TIMEOUT", "60000", "slow", "count"}); }
};

}  // namespace

TEST_CASE("a message in hand when peeperd is killed is finished, and handled once") {
  Held held;
  held.hold("held");
  const Watch worker{held.peeperd.worker("slow")};
  const Watch keeper{held.peeperd.keeper("slow")};
  const Watch standby{[&] {
    int pid = 0;
    held.peeperd.await([&] {
      pid = static_cast<int>(held.peeperd.fact("slow", "standby"));
      return pid != 0;
    });
    return pid;
  }()};
  // Behind it, and not for this worker any more.
  CHECK(held.peeperd.talk()({"CAST", "slow", "nap", "0"}) == "OK");
  held.peeperd.kill_daemon();
  held.open();
  CHECK(worker.gone(kSoon));
  CHECK(keeper.gone(kSoon));
  CHECK(standby.gone(kSoon));
  held.peeperd.start();
  CHECK(held.count() == "2");
  CHECK(held.count_runs() == 1);
  held.peeperd.stop();
}

TEST_CASE("a message that takes too long when peeperd is killed is cut short, and runs again") {
  Held held;
  std::string how = "held";
  bool at_once = false;
  SUBCASE("by the worker's own timer") {}
  SUBCASE("and the next peeperd starts at once") { at_once = true; }
  // By the keeper, that is.
  SUBCASE("though its code lets no signal in") { how = "deaf"; }
  SUBCASE("though its code lets no signal in, and the next peeperd starts at once") {
    how = "deaf";
    at_once = true;
  }
  held.hold(how);
  const Watch worker{held.peeperd.worker("slow")};
  const Watch keeper{held.peeperd.keeper("slow")};
  held.peeperd.kill_daemon();
  if (at_once) held.peeperd.start();
  CHECK(worker.gone(kSoon));
  CHECK(keeper.gone(kSoon));
  if (!at_once) held.peeperd.start();
  CHECK(held.count() == "1");
  CHECK(held.count_runs() == 2);
  held.peeperd.stop();
}

TEST_CASE("a worker ends without peeperd and keeper, in a message or idle, also a stopped one") {
  Held held;
  bool in_message = false;
  bool stopped = false;
  SUBCASE("idle") {}
  SUBCASE("idle and stopped") { stopped = true; }
  SUBCASE("in a message") { in_message = true; }
  SUBCASE("in a message and stopped") { in_message = stopped = true; }
  if (in_message) held.hold("held");
  const Watch worker{held.peeperd.worker("slow")};
  if (stopped) worker.kill(SIGSTOP);
  held.peeperd.kill("slow", {false, true, true});
  CHECK(worker.gone(kSoon));
  held.peeperd.start();
  CHECK(held.count() == (in_message ? "1" : "0"));
  held.peeperd.stop();
}

TEST_CASE("a stopped worker, keeper and standby end with peeperd") {
  Held held;
  int standby_pid = 0;
  held.peeperd.await([&] {
    standby_pid = static_cast<int>(held.peeperd.fact("slow", "standby"));
    return standby_pid != 0;
  });
  const Watch processes[] = {Watch{held.peeperd.worker("slow")}, Watch{held.peeperd.keeper("slow")},
                             Watch{standby_pid}};
  for (const Watch& process : processes) process.kill(SIGSTOP);
  held.peeperd.kill_daemon();
  for (const Watch& process : processes) CHECK(process.gone(kSoon));
  held.peeperd.start();
  CHECK(held.count() == "0");
  held.peeperd.stop();
}

TEST_CASE("a worker that is told to go on by SIGCONT goes on, while peeperd lives") {
  Held held;
  const Watch worker{held.peeperd.worker("slow")};
  for (int i = 0; i < 20; ++i) {
    worker.kill(SIGCONT);
    CHECK(held.peeperd.talk()({"CAST", "slow", "nap", "1"}) == "OK");
  }
  CHECK(held.count() == "20");
  CHECK(held.peeperd.worker("slow") == worker.pid());
  held.peeperd.stop();
}

TEST_CASE("peeperd killed at random moments under load: what it accepted is handled once") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  std::mt19937 random{seed};
  Held held;
  std::int64_t accepted = 0;
  std::int64_t unclear = 0;
  for (int round = 0; round < 12; ++round) {
    auto client = Connection::connect(held.peeperd.socket(), kPatience);
    REQUIRE(client.has_value());
    const std::uint32_t answers = random() % 40;
    std::uint32_t sent = 0;
    for (; sent < answers + 20; ++sent)
      if (!client->send({"CAST", "slow", "nap", "2"}, kPatience)) break;
    for (std::uint32_t i = 0; i < answers; ++i) {
      CHECK(text_of(client->receive(kPatience)) == "OK");
      ++accepted;
    }
    held.peeperd.kill_daemon();
    for (std::uint32_t i = answers; i < sent; ++i) {
      if (text_of(client->receive(kPatience)) == "OK")
        ++accepted;
      else
        ++unclear;
    }
    held.peeperd.start();
  }
  std::int64_t count = std::stoll(held.count());
  MESSAGE("accepted " << accepted << ", unclear " << unclear << ", counted " << count);
  CHECK(count >= accepted);
  CHECK(count <= accepted + unclear);
  held.peeperd.stop();
}
