// Programs that a test starts, and processes it watches. Waiting is for events, with a bound: a
// bound that is reached is a failure of the test, never a way to pass.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/unique_fd.hpp"

namespace peeper::test {

using namespace std::chrono_literals;

// Long enough for a loaded machine and a sanitizer, short enough for CTest's own limit.
inline constexpr std::chrono::seconds kPatience{30};

// Any process, by pidfd: taken before it is killed, so that its end can't be missed.
class Watch {
 public:
  explicit Watch(int pid);
  [[nodiscard]] int pid() const { return pid_; }
  void kill(int signal) const;
  // True once it is gone; false after the patience.
  [[nodiscard]] bool gone(std::chrono::milliseconds patience = kPatience) const;

 private:
  int pid_;
  UniqueFd fd_;
};

struct Spawn {
  std::vector<std::string> command;  // absolute path, or looked up in PATH
  std::vector<std::pair<std::string, std::string>> environment;  // beside our own
  std::string directory;             // empty: ours
  std::string output_file;           // stdout and stderr; empty: two pipes
};

// One program. Killed and reaped at the end; dies with the test, however that dies.
class Process {
 public:
  explicit Process(const Spawn& spawn);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  [[nodiscard]] int pid() const { return pid_; }
  void signal(int number) const;
  // The wait status; none after the patience.
  std::optional<int> wait(std::chrono::milliseconds patience = kPatience);
  // Pipes, where there is no output_file.
  UniqueFd standard_input;
  UniqueFd standard_output;
  UniqueFd standard_error;

 private:
  int pid_ = -1;
  UniqueFd pidfd_;
  std::optional<int> status_;
};

struct Ran {
  int exit_code = -1;  // -1: a signal, or it never ended
  std::string out;
  std::string err;
};
// Runs a program to its end.
Ran run(Spawn spawn, std::string_view input = {}, std::chrono::milliseconds patience = kPatience);

// The most memory a process has ever had resident.
std::int64_t peak_kib(int pid);

}  // namespace peeper::test
