// What a worker has started ends with it, in whatever way either of them ends, and what it has done
// to get away.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <fstream>
#include <memory>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string config(std::string_view more = "") {
  return "[[server]]\nname = \"process\"\nbehaviour = \"process\"\nmax_restarts = 1000000\n"
         "state_size = \"1MiB\"\n" + std::string(more) + "\n";
}

int start(Talk& talk, std::string_view way) {
  const std::string pid = talk({"CALL", "process", "sleep", way});
  REQUIRE_MESSAGE(pid.find_first_not_of("0123456789") == pid.npos, pid);
  return std::stoi(pid);
}

Watch started(Talk& talk, std::string_view way) { return Watch{start(talk, way)}; }

// Without an environment it is nobody's: it ends at the next look, and one may be due.
class Bare {
 public:
  explicit Bare(Talk& talk) : pid_(start(talk, "bare")) {}
  [[nodiscard]] bool is_gone() const { return ::kill(pid_, 0) != 0; }
  bool goes(Instance& peeperd) const {
    peeperd.await([&] { return is_gone(); });
    return true;
  }

 private:
  int pid_;
};

// Of its children, those that have ended and were not waited for.
std::string zombies_of(int pid) {
  std::ifstream list{"/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children"};
  std::string found;
  for (int child = 0; list >> child;) {
    std::ifstream stat{"/proc/" + std::to_string(child) + "/stat"};
    std::string text;
    std::getline(stat, text);
    if (text.find(") Z ") != text.npos) found += text + "\n";
  }
  return found;
}

bool has_no_zombies(Instance& peeperd) {
  peeperd.await([&] { return zombies_of(peeperd.daemon().pid()).empty(); });
  return true;
}

}  // namespace

TEST_CASE("what a worker has started ends with it, however it ends and whatever they did") {
  Instance peeperd{config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (const char* end : {"segv", "kill"}) {
    CAPTURE(std::string(end));
    const Watch child = started(talk, "child");
    const Watch leader = started(talk, "setsid");
    const Watch away = started(talk, "daemon");
    const Bare bare{talk};
    CHECK_FALSE(away.gone(0ms));
    CHECK(talk({"CALL", "process", end}).starts_with("-CRASHED"));
    CHECK(child.gone());
    CHECK(leader.gone());
    CHECK(away.gone());
    CHECK(bare.goes(peeperd));
    CHECK(talk({"CALL", "process", "inc"}) != "");
  }
  CHECK(talk({"CALL", "process", "count"}) == "2");
  CHECK(has_no_zombies(peeperd));
  peeperd.stop();
}

TEST_CASE("what a worker has started ends with an orderly stop") {
  Instance peeperd{config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const Watch child = started(talk, "child");
  const Watch away = started(talk, "daemon");
  const Bare bare{talk};
  peeperd.stop();
  // Not only soon: peeperd has waited for it.
  CHECK(child.gone(0ms));
  CHECK(away.gone(0ms));
  CHECK(bare.is_gone());
}

TEST_CASE("what a worker has started ends when peeperd is killed, but for what made a session") {
  Instance peeperd{config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const Watch child = started(talk, "child");
  const Watch away = started(talk, "daemon");
  const Watch worker{peeperd.worker("process")};
  peeperd.kill_daemon();
  CHECK(child.gone());
  CHECK(worker.gone());
  // This one is left for the next peeperd of the instance, which ends it before all else.
  CHECK_FALSE(away.gone(0ms));
  peeperd.start();
  CHECK(away.gone());
  CHECK(peeperd.talk()({"CALL", "process", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("what a worker has started may end before it, and leaves no zombie") {
  Instance peeperd{config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const Watch away = started(talk, "daemon");
  away.kill(SIGKILL);
  CHECK(away.gone());
  CHECK(has_no_zombies(peeperd));
  CHECK(peeperd.fact("process", "crashes") == 0);
  peeperd.stop();
}

TEST_CASE("one worker's end leaves alone what another has started, and what was there before") {
  Instance peeperd{config() + counter_config()};
  // A shell that starts a process and then becomes peeperd.
  const std::filesystem::path before = peeperd.directory() / "before";
  Spawn spawn = peeperd.command();
  std::string line = "sleep 1000 & echo $! >" + before.string() + "; exec";
  for (const std::string& word : spawn.command) line += " '" + word + "'";
  spawn.command = {"/bin/sh", "-c", line};
  Process shell{spawn};
  peeperd.await([&] { return Connection::connect(peeperd.socket(), 1s).has_value(); });
  Talk talk = peeperd.talk();
  int pid = 0;
  std::ifstream{before} >> pid;
  const Watch foreign{pid};
  const Watch child = started(talk, "child");
  const Watch away = started(talk, "daemon");
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "counter", "exit", "0"}).starts_with("-CRASHED"));
  // This one is nobody's and goes at the next look, so a look has taken place.
  const Bare bare{talk};
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  CHECK(bare.goes(peeperd));
  CHECK_FALSE(child.gone(0ms));
  CHECK_FALSE(away.gone(0ms));
  CHECK_FALSE(foreign.gone(0ms));
  shell.signal(SIGTERM);
  CHECK(shell.wait() == 0);
  CHECK(away.gone(0ms));
  CHECK_FALSE(foreign.gone(0ms));
  foreign.kill(SIGKILL);
}

TEST_CASE("what executes one program after the other stays its worker's") {
  Instance peeperd{config() + counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const Watch restless = started(talk, "restless");
  for (int i = 0; i < 40; ++i) {
    const Bare bare{talk};
    CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
    CHECK(bare.goes(peeperd));  // so a look has taken place
  }
  CHECK_FALSE(restless.gone(0ms));
  CHECK(talk({"CALL", "process", "segv"}).starts_with("-CRASHED"));
  CHECK(restless.gone());
  peeperd.stop();
}

TEST_CASE("what a standby's code has started is no other worker's") {
  Instance peeperd{config("standby = 2")};
  peeperd.start();
  Talk talk = peeperd.talk();
  peeperd.await([&] { return peeperd.fact("process", "standby") != 0; });
  const Watch away = started(talk, "daemon");
  const Watch standby{static_cast<int>(peeperd.fact("process", "standby"))};
  CHECK(talk({"SYS", "KILL", "process", "standby"}) == "OK");
  CHECK(standby.gone());
  peeperd.await([&] { return peeperd.fact("process", "standby") != standby.pid(); });
  const Bare bare{talk};
  CHECK(talk({"SYS", "KILL", "process", "standby"}) == "OK");
  CHECK(bare.goes(peeperd));
  CHECK_FALSE(away.gone(0ms));
  peeperd.stop();
}
