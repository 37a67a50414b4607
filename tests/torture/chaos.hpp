// Signals to everybody, at random: what is done is a sequence by a seed, when it hits is chance. So
// a seed repeats the blows, but not the moments in the processes that are hit.
//
// Thread: the main thread, which starts peeperd: a process ends with the thread that started it.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "instance.hpp"
#include "shared.hpp"

namespace peeper::torture {

using Clock = std::chrono::steady_clock;

enum class Target { kWorker, kKeeper, kStandby, kAny, kDaemon };

struct Blow {
  std::chrono::milliseconds pause;  // before it
  Target target;
  int signal;
  std::size_t index;                // of the server; of kAny, among all children
  std::chrono::milliseconds hold;   // of SIGSTOP: until SIGCONT
};

// The sequence. Pure.
class Plan {
 public:
  explicit Plan(std::uint32_t seed) : random_(seed) {}
  [[nodiscard]] Blow next();

 private:
  std::uint32_t below(std::uint32_t bound) { return static_cast<std::uint32_t>(random_() % bound); }
  [[nodiscard]] std::chrono::milliseconds hold();

  std::mt19937 random_;
};

class Chaos {
 public:
  Chaos(test::Instance& peeperd, Shared& shared, std::uint32_t seed)
      : peeperd_(peeperd), shared_(shared), plan_(seed) {}

  // Strikes until `end`; peeperd is struck until `daemon_end` only, so that one of them lives for a
  // while. Returns early if something has failed.
  void run(Clock::time_point daemon_end, Clock::time_point end);
  // Whoever is stopped goes on.
  void release();

  [[nodiscard]] int kills() const { return kills_; }  // SIGKILL, to children
  [[nodiscard]] int crashes() const { return crashes_; }  // SIGSEGV and SIGABRT, likewise
  [[nodiscard]] int stops() const { return stops_; }
  [[nodiscard]] int daemon_deaths() const { return daemon_deaths_; }
  [[nodiscard]] std::string recent() const;

 private:
  void strike(const Blow& blow, bool may_strike_daemon);
  void strike_daemon(const Blow& blow);
  void strike_child(const Blow& blow);
  [[nodiscard]] std::optional<test::Watch> find(const Blow& blow, std::string& name) const;
  void sleep_until(Clock::time_point time);
  void release_due();
  void reap_orphans() const;
  void check_daemon();
  void note(const std::string& line);

  struct Held {
    Clock::time_point until;
    test::Watch process;
  };

  test::Instance& peeperd_;
  Shared& shared_;
  Plan plan_;
  std::vector<Held> held_;
  std::deque<std::string> recent_;
  const Clock::time_point began_ = Clock::now();
  int blows_ = 0;
  int kills_ = 0;
  int crashes_ = 0;
  int stops_ = 0;
  int daemon_deaths_ = 0;
};

}  // namespace peeper::torture
