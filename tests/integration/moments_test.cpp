// Each combination of processes that die, at each moment of a server: starting, idle, in a message,
// recovering, stopping, reloading. Whoever is left, and the next peeperd, bring the server back with
// each message applied once or, where it was in flight, not at all.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

constexpr unsigned kWorker = 1;
constexpr unsigned kKeeper = 2;
constexpr unsigned kStandby = 4;
constexpr unsigned kDaemon = 8;
constexpr unsigned kAll = 15;

std::string text_of_set(unsigned who) {
  std::string text;
  if ((who & kWorker) != 0) text += " worker";
  if ((who & kKeeper) != 0) text += " keeper";
  if ((who & kStandby) != 0) text += " standby";
  if ((who & kDaemon) != 0) text += " daemon";
  return text;
}

std::string config(int version) {
  return "[[server]]\nname = \"gated\"\nbehaviour = \"gated\"\nstate_size = \"1MiB\"\n"
         "max_restarts = 1000000\nshutdown = \"infinity\"\ncallback_timeout = 0\nretries = " +
         std::to_string(1 + version % 100) + "\n";
}

enum class Count { kSure, kUnsure };  // whether a message in flight was applied

class Moment {
 public:
  Moment() : peeperd(config(0)) { peeperd.start(); }

  // Everybody is there, and nobody waits. A process that was killed stands in the daemon's facts
  // until the daemon has noticed.
  void bring_up(Count count = Count::kSure) {
    if (!runs_) peeperd.start();
    runs_ = true;
    peeperd.await([&] { return fact("standby") != 0 && knows_of_deaths(); });
    check_count(count);
  }
  // The next call is answered with the next number, or one more if that is not sure.
  void check_count(Count count) {
    const std::string answer = peeperd.talk()({"CALL", "gated", "next"});
    if (count == Count::kUnsure && answer == std::to_string(count_ + 2)) ++count_;
    CHECK(answer == std::to_string(++count_));
  }
  void note_applied() { ++count_; }

  void close_gate() {
    std::filesystem::remove(at_gate());
    std::ofstream{gate()};
  }
  void await_somebody_at_gate() {
    peeperd.await([&] { return std::filesystem::exists(at_gate()); });
  }
  void open_gate() { std::filesystem::remove(gate()); }

  // Those of the server as they are now, so that it can be killed without asking.
  void look() {
    worker_.reset();
    keeper_.reset();
    standby_.reset();
    killed_.clear();
    if (const int pid = fact("worker")) worker_.emplace(pid);
    if (const int pid = fact("keeper")) keeper_.emplace(pid);
    if (const int pid = fact("standby")) standby_.emplace(pid);
  }
  void kill(unsigned who) {
    if ((who & kWorker) != 0) kill(worker_);
    if ((who & kKeeper) != 0) kill(keeper_);
    if ((who & kStandby) != 0) kill(standby_);
    if ((who & kDaemon) == 0) return;
    peeperd.kill_daemon();
    runs_ = false;
  }
  [[nodiscard]] const std::optional<Watch>& keeper() const { return keeper_; }
  [[nodiscard]] const std::optional<Watch>& worker() const { return worker_; }
  [[nodiscard]] bool runs() const { return runs_; }
  void note_end() { runs_ = false; }

  // Of the next peeperd's start, and of a reload.
  void change_config() {
    const auto fresh = peeperd.directory() / "fresh.toml";
    std::ofstream{fresh} << config(++version_);
    std::filesystem::rename(fresh, peeperd.config_file());
  }
  int fact(std::string_view name) { return static_cast<int>(peeperd.fact("gated", name)); }

  Instance peeperd;

 private:
  void kill(const std::optional<Watch>& process) {
    if (!process) return;
    process->kill(SIGKILL);
    killed_.push_back(process->pid());
  }
  bool knows_of_deaths() {
    return std::ranges::none_of(killed_, [&](int pid) {
      return pid == fact("worker") || pid == fact("keeper") || pid == fact("standby");
    });
  }
  std::filesystem::path gate() const { return peeperd.directory() / "gate"; }
  std::filesystem::path at_gate() const { return peeperd.directory() / "at_gate"; }

  bool runs_ = true;
  int count_ = 0;
  int version_ = 0;
  std::optional<Watch> worker_;
  std::optional<Watch> keeper_;
  std::optional<Watch> standby_;
  std::vector<int> killed_;  // since the processes were looked at last
};

// `die(moment, who)` brings the server to the moment and kills `who`, of those that were looked at.
template <class Die>
void kill_each_combination(Die die) {
  Moment moment;
  for (unsigned who = 1; who <= kAll; ++who) {
    const std::string killed = text_of_set(who);
    CAPTURE(killed);
    moment.bring_up();
    moment.look();
    moment.bring_up(die(moment, who));
  }
  moment.peeperd.stop();
}

}  // namespace

TEST_CASE("moments: each combination of processes dies while the server is idle") {
  kill_each_combination([](Moment& moment, unsigned who) {
    moment.kill(who);
    return Count::kSure;
  });
}

TEST_CASE("moments: each combination of processes dies while a worker starts") {
  kill_each_combination([](Moment& moment, unsigned who) {
    moment.close_gate();
    moment.kill(kWorker);
    moment.await_somebody_at_gate();
    moment.look();
    moment.kill(who);
    moment.open_gate();
    return Count::kSure;
  });
}

TEST_CASE("moments: each combination of processes dies while a message is handled") {
  kill_each_combination([](Moment& moment, unsigned who) {
    moment.close_gate();
    CHECK(moment.peeperd.talk()({"CAST", "gated", "wait"}) == "OK");
    moment.await_somebody_at_gate();
    moment.kill(who);
    moment.open_gate();
    if ((who & (kWorker | kDaemon)) != 0) return Count::kUnsure;
    moment.note_applied();
    return Count::kSure;
  });
}

TEST_CASE("moments: each combination of processes dies while the keeper recovers") {
  kill_each_combination([](Moment& moment, unsigned who) {
    moment.keeper()->kill(SIGSTOP);
    moment.worker()->kill(SIGKILL);
    moment.peeperd.await(
        [&] { return moment.peeperd.text_fact("gated", "state") == "recovering"; });
    moment.kill(who & ~kWorker);
    moment.keeper()->kill(SIGCONT);
    return Count::kSure;
  });
}

TEST_CASE("moments: each combination of processes dies while peeperd stops") {
  kill_each_combination([](Moment& moment, unsigned who) {
    moment.close_gate();
    moment.peeperd.daemon().signal(SIGTERM);
    moment.await_somebody_at_gate();
    moment.kill(who);
    moment.open_gate();
    if (moment.runs()) {
      const auto status = moment.peeperd.daemon().wait();
      REQUIRE(status.has_value());
      CHECK(*status == 0);
      moment.note_end();
    }
    return Count::kSure;
  });
}

TEST_CASE("moments: each combination of processes dies while the configuration is read again") {
  kill_each_combination([](Moment& moment, unsigned who) {
    moment.close_gate();
    moment.change_config();
    Talk talk = moment.peeperd.talk();
    talk.send({"SUPERVISOR", "RELOAD"});
    moment.await_somebody_at_gate();
    moment.kill(who);
    moment.open_gate();
    if (moment.runs()) CHECK(talk.receive() == "OK");
    return Count::kSure;
  });
}
