// The program that is told of crashes: how long it may take.
#include <doctest/doctest.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "daemon/process/crash_exec.hpp"
#include "temporary_directory.hpp"

namespace fs = std::filesystem;
using namespace peeper::daemon;
using namespace std::chrono_literals;

namespace {

// A program that says its pid, with that of a child of its own, and sleeps for good.
class Sleeper {
 public:
  Sleeper() {
    std::ofstream{program()} << "#!/bin/sh\nsleep 1000 &\necho $$ $! >\"$1\".new\n"
                                "mv \"$1\".new \"$1\"\nwait\n";
    fs::permissions(program(), fs::perms::owner_all);
  }

  [[nodiscard]] fs::path program() const { return directory_.path() / "sleeper"; }
  [[nodiscard]] fs::path says() const { return directory_.path() / "pids"; }
  // False until it has said who it is.
  bool has_begun() {
    std::ifstream said{says()};
    if (!(said >> pid_ >> child_)) return false;
    fs::remove(says());
    return true;
  }
  [[nodiscard]] bool is_gone() const { return is_gone(pid_) && is_gone(child_); }

 private:
  // Or is a zombie that waits for whoever adopts it.
  static bool is_gone(int pid) {
    if (::kill(pid, 0) != 0 && errno == ESRCH) return true;
    std::ifstream stat{"/proc/" + std::to_string(pid) + "/stat"};
    std::string field;
    stat >> field >> field >> field;
    return field.empty() || field == "Z";
  }

  const peeper::test::TemporaryDirectory directory_;
  int pid_ = 0;
  int child_ = 0;
};

// Lets the loop run until `done`, at most for a time that a loaded machine needs.
template <class Done>
bool run_until(boost::asio::io_context& loop, Done done) {
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    loop.run_one_for(5ms);
  }
  return true;
}

}  // namespace

TEST_CASE("an on_crash_exec that takes too long is killed with its children, the next one runs") {
  boost::asio::io_context loop;
  const auto work = boost::asio::make_work_guard(loop);  // it doesn't stop when it has none
  Sleeper sleeper;
  CrashExec exec{loop, "counter", {sleeper.program(), sleeper.says()}, 300ms};
  for (int i = 0; i < 2; ++i) {
    exec.run("{}");
    REQUIRE(run_until(loop, [&] { return sleeper.has_begun(); }));
    CHECK(run_until(loop, [&] { return sleeper.is_gone(); }));
    // Its end is known to the loop once that has looked at its descriptor.
    loop.run_for(20ms);
  }
}

TEST_CASE("who ends ends its on_crash_exec") {
  boost::asio::io_context loop;
  const auto work = boost::asio::make_work_guard(loop);  // it doesn't stop when it has none
  Sleeper sleeper;
  {
    CrashExec exec{loop, "counter", {sleeper.program(), sleeper.says()}, 1h};
    exec.run("{}");
    REQUIRE(run_until(loop, [&] { return sleeper.has_begun(); }));
    CHECK(!sleeper.is_gone());
  }
  CHECK(run_until(loop, [&] { return sleeper.is_gone(); }));
}
