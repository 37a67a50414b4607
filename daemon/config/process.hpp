// What a [[server]] says about the process that its worker is, and what that may do to the machine.
// Plain values; no thread, no errors. load_process.hpp reads them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/limits.hpp"

namespace peeper::config {

// --- Bounds. Beyond: the configuration is refused. -----------------------------------------------
// A worker needs some of this before it runs any callback.
inline constexpr std::size_t kLeastMemoryBytes = 16 * limits::MiB;
inline constexpr std::size_t kMostMemoryBytes = 1024 * limits::GiB;
inline constexpr std::uint32_t kMostProcesses = 4'000'000;  // the kernel's own bound on pids
inline constexpr std::uint32_t kLeastFiles = 16;
inline constexpr std::uint32_t kMostFiles = 1'000'000;
inline constexpr std::size_t kMostVariables = 1'000;  // of environment
inline constexpr std::size_t kMostWritablePaths = 100;

// Where in the file something stands, for later mistakes about it. From 1; 0 is unknown.
struct Place {
  int line = 0;
  int column = 0;

  // What stands elsewhere is the same all the same.
  friend constexpr bool operator==(Place, Place) { return true; }
};

// [server.limits]: of the worker and each standby. None: as peeperd's own.
struct Limits {
  std::optional<std::size_t> memory_bytes;  // private, writable memory of one process
  std::optional<std::uint32_t> processes;   // of the worker's user, threads included
  std::optional<std::uint32_t> nofile;
  std::optional<std::chrono::seconds> cpu;  // of one incarnation

  bool operator==(const Limits&) const = default;
};

// sandbox, or [server.sandbox]. As it stands here nothing is forbidden.
struct Sandbox {
  bool no_new_privileges = false;
  bool network = true;
  bool read_only = false;             // the file system, but for `writable`
  std::vector<std::string> writable;  // absolute paths
  bool seccomp = false;               // no system calls that reach beyond the process

  bool operator==(const Sandbox&) const = default;
  static Sandbox strict() { return {true, false, true, {}, true}; }
};

// A user of this machine, as found when the configuration was checked.
struct Account {
  std::uint32_t user = 0;
  std::uint32_t group = 0;
  std::vector<std::uint32_t> groups;
  std::string name;
  std::string home;

  bool operator==(const Account&) const = default;
};

struct ProcessSection {
  Limits limits;
  std::string user;  // a name or a number; empty: peeperd's own
  std::optional<int> nice;
  std::optional<int> oom_score_adj;
  std::vector<std::pair<std::string, std::string>> environment;  // name and value, by name
  std::string working_directory;  // absolute; empty: peeperd's own
  Sandbox sandbox;

  std::optional<Account> account;  // of `user`; find_accounts() sets it

  Place user_place;
  Place processes_place;
  Place nofile_place;
  Place nice_place;
  Place oom_place;
  Place sandbox_place;

  bool operator==(const ProcessSection&) const = default;
};

}  // namespace peeper::config
