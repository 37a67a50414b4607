// What a worker's process is given, and what it may take of the machine.
#include <doctest/doctest.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "instance.hpp"
#include "rights.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace fs = std::filesystem;

std::string config(std::string_view more) {
  return "[[server]]\nname = \"process\"\nbehaviour = \"process\"\nmax_restarts = 1000000\n"
         "state_size = \"1MiB\"\n" + std::string(more) + "\n";
}

std::string text_of(const fs::path& file) {
  std::ifstream stream{file};
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

std::string proc(int pid, std::string_view file) {
  return text_of("/proc/" + std::to_string(pid) + "/" + std::string(file));
}

int standby(Instance& peeperd) {
  peeperd.await([&] { return peeperd.fact("process", "standby") != 0; });
  return static_cast<int>(peeperd.fact("process", "standby"));
}

std::string limit_of(int pid, std::string_view name) {
  std::istringstream lines{proc(pid, "limits")};
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream words{line.substr(26)};
    std::string soft;
    std::string hard;
    words >> soft >> hard;
    return soft + " " + hard;
  }
  return "none";
}

const passwd& nobody() {
  const passwd* entry = ::getpwnam("nobody");
  REQUIRE(entry != nullptr);
  return *entry;
}

// Why peeperd doesn't take it, without starting anything.
std::string refusal(const std::string& more) {
  const Instance instance{config(more)};
  Spawn spawn = instance.command();
  spawn.command.emplace_back("--check");
  spawn.output_file.clear();
  const Ran ran = run(spawn);
  CHECK(ran.exit_code == 2);
  return ran.err;
}

bool mentions(const std::string& text, std::string_view part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("\"" << text << "\" lacks \"" << part << "\"");
  return found;
}

}  // namespace

TEST_CASE("limits, niceness, environment and directory are those of worker and standby") {
  Instance peeperd{config("nice = 5\noom_score_adj = 300\nworking_directory = \"/usr\"\n"
                          "environment = {COLOUR = \"red green\", HOME = \"/nowhere\"}\n"
                          "[server.limits]\nnofile = 50\ncpu = \"1h\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  const auto look = [&](int pid) {
    CHECK(limit_of(pid, "Max open files") == "50 50");
    CHECK(limit_of(pid, "Max cpu time") == "3600 3601");
    CHECK(proc(pid, "oom_score_adj") == "300\n");
    CHECK(::getpriority(PRIO_PROCESS, static_cast<id_t>(pid)) == 5);
    CHECK(fs::read_symlink("/proc/" + std::to_string(pid) + "/cwd") == "/usr");
  };
  look(peeperd.worker("process"));
  look(standby(peeperd));
  CHECK(talk({"CALL", "process", "environment", "COLOUR"}) == "red green");
  CHECK(talk({"CALL", "process", "environment", "HOME"}) == "/nowhere");
  CHECK(talk({"CALL", "process", "environment", "PATH"}) == ::getenv("PATH"));
  CHECK(talk({"CALL", "process", "environment", "NOTIFY_SOCKET"}) == "(nil)");
  // None of it is the keeper's.
  const int keeper = peeperd.keeper("process");
  CHECK(limit_of(keeper, "Max open files") == limit_of(peeperd.daemon().pid(), "Max open files"));
  CHECK(::getpriority(PRIO_PROCESS, static_cast<id_t>(keeper)) == 0);
  CHECK(proc(keeper, "oom_score_adj") == proc(peeperd.daemon().pid(), "oom_score_adj"));
  peeperd.stop();
}

TEST_CASE("peeperd and keepers are killed after the workers when memory is short") {
  Instance peeperd{config("")};
  peeperd.start();
  const auto adjustment = [](int pid) { return std::stoi(proc(pid, "oom_score_adj")); };
  const int daemon = adjustment(peeperd.daemon().pid());
  CHECK(adjustment(peeperd.keeper("process")) == daemon);
  CHECK(adjustment(peeperd.worker("process")) > daemon);
  CHECK(adjustment(standby(peeperd)) > daemon);
  peeperd.stop();
}

TEST_CASE("a worker may open as many files as nofile says") {
  Instance peeperd{config("[server.limits]\nnofile = 40")};
  peeperd.start();
  const std::string opened = peeperd.talk()({"CALL", "process", "files"});
  CHECK(std::stoi(opened) > 20);
  CHECK(std::stoi(opened) < 40);
  peeperd.stop();
}

// A sanitizer's own memory is far more.
#ifndef PEEPER_SANITIZED
TEST_CASE("a worker that takes more than its memory crashes, says so, and its state stays") {
  Instance peeperd{config("[server.limits]\nmemory = \"64MiB\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "process", "inc"}) == "1");
  CHECK(talk({"CALL", "process", "take", "100000000"}) ==
        "-CRASHED process: OOM: std::bad_alloc: std::bad_alloc; limits.memory is 67108864 bytes "
        "in 'take'");
  CHECK(talk({"CALL", "process", "count"}) == "1");
  CHECK(talk({"CALL", "process", "inc"}) == "2");
  CHECK(peeperd.fact("process", "crashes") == 1);
  peeperd.stop();
}
#endif

TEST_CASE("a worker that uses more than its processor time crashes, and its state stays") {
  Instance peeperd{config("callback_timeout = 0\n[server.limits]\ncpu = \"1s\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "process", "inc"}) == "1");
  CHECK(talk({"CALL", "TIMEOUT", "60000", "process", "burn"}) ==
        "-CRASHED process: SIGXCPU in 'burn'");
  CHECK(talk({"CALL", "process", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("a worker of another user is that user's in everything, and its state with it") {
  if (!is_root()) return;
  // First without a user of its own: the segment that root has made goes over to it.
  Instance peeperd{config("")};
  peeperd.run_from(install_for_all(peeperd, "process"));
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "process", "inc"}) == "1");
  peeperd.stop();

  std::ofstream{peeperd.config_file()} << config("user = \"nobody\"");
  peeperd.start();
  Talk talk = peeperd.talk();
  const passwd& user = nobody();
  const std::string uid = std::to_string(user.pw_uid);
  CHECK(talk({"CALL", "process", "user"}) ==
        uid + ":" + uid + ":" + std::to_string(user.pw_gid) + ":1");
  CHECK(talk({"CALL", "process", "environment", "USER"}) == "nobody");
  CHECK(talk({"CALL", "process", "environment", "HOME"}) == user.pw_dir);
  CHECK(talk({"CALL", "process", "inc"}) == "2");
  CHECK(talk({"CALL", "process", "segv"}).starts_with("-CRASHED process: SIGSEGV"));
  CHECK(talk({"SYS", "KILL", "process", "keeper"}) == "OK");
  CHECK(talk({"CALL", "process", "inc"}) == "3");
  // What it has started ends with it also here.
  const Watch away{std::stoi(talk({"CALL", "process", "sleep", "daemon"}))};
  const Watch child{std::stoi(talk({"CALL", "process", "sleep", "child"}))};
  const Watch worker{peeperd.worker("process")};
  peeperd.kill_daemon();
  CHECK(child.gone());
  CHECK(worker.gone());
  peeperd.start();
  CHECK(away.gone());
  CHECK(peeperd.talk()({"CALL", "process", "inc"}) == "4");
  peeperd.stop();

  // And back, which takes a hand.
  std::ofstream{peeperd.config_file()} << config("");
  peeperd.start();
  peeperd.await([&] { return peeperd.text_fact("process", "state") == "down"; });
  CHECK(mentions(peeperd.talk()({"CALL", "process", "inc"}), "belongs to another user"));
  peeperd.stop();
}

TEST_CASE("a fork bomb stays within its processes, and is over with its worker") {
  if (!is_root()) return;
  // A user that runs nothing else, whatever other tests do: numbers of users need no entry there.
  Instance peeperd{config("user = \"games\"\n[server.limits]\nprocesses = 30")};
  peeperd.run_from(install_for_all(peeperd, "process"));
  peeperd.start();
  Talk talk = peeperd.talk();
  const int started = std::stoi(talk({"CALL", "process", "bomb", "1000"}));
  CHECK(started > 0);
  CHECK(started < 30);
  // While it lasts, the worker goes on and another can't be prepared; then all is as before.
  CHECK(talk({"CALL", "process", "inc"}) == "1");
  CHECK(talk({"CALL", "process", "segv"}).starts_with("-CRASHED process: SIGSEGV"));
  CHECK(talk({"CALL", "process", "inc"}) == "2");
  // The dead ones count until they are reaped.
  int again = 0;
  peeperd.await([&] {
    again += std::stoi(talk({"CALL", "process", "bomb", "1000"}));
    return again >= started - 2;
  });
  CHECK(again < 30);
  peeperd.stop();
}

TEST_CASE("a limit that can't be kept is refused with its line before anything starts") {
  CHECK(mentions(refusal("working_directory = \"here\""), ":6:21: working_directory: expected"));
  CHECK(mentions(refusal("user = \"no such user\""),
                 ":6:8: user: this machine has no user \"no such user\""));
  if (::geteuid() == 0)
    CHECK(mentions(refusal("[server.limits]\nprocesses = 5"),
                   ":7:13: processes: the kernel counts processes for each user, and root"));
  else
    CHECK(mentions(refusal("user = \"nobody\""), ":6:8: user: only root may"));
}

TEST_CASE("a child that is started later is given what its section says, or refused") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string server = "[[server]]\nname = \"late\"\nbehaviour = \"process\"\n";
  CHECK(talk({"SUPERVISOR", "START_CHILD", server + "nice = 7"}) == "OK");
  CHECK(::getpriority(PRIO_PROCESS, static_cast<id_t>(peeperd.worker("late"))) == 7);
  const std::string other = "[[server]]\nname = \"other\"\nbehaviour = \"process\"\n";
  CHECK(mentions(talk({"SUPERVISOR", "START_CHILD", other + "user = \"no such user\""}),
                 "user: this machine has no user"));
  peeperd.stop();
}

TEST_CASE("a directory that isn't there keeps a worker from starting, and the log says so") {
  Instance peeperd{config("working_directory = \"/no/such/directory\"\nmax_seconds = 1")};
  peeperd.start();
  peeperd.await([&] {
    return mentions(peeperd.log(),
                    "peeper-worker, at working_directory: No such file or directory");
  });
  peeperd.stop();
}
