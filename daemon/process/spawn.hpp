// How a child process comes to be: vfork, what it is given, exec.
//
// Thread: the loop's. spawn() blocks for as long as vfork and exec take. Between the two the child
// runs on this process's memory: raw system calls only, all else is made beforehand.
#pragma once

#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/result.hpp"

namespace peeper::daemon {

// Whom a process runs as.
struct Credentials {
  uid_t user;
  gid_t group;
  std::vector<gid_t> groups;
};

struct ResourceLimit {
  const char* name;  // as in the configuration; a literal
  int resource;      // RLIMIT_…
  rlim_t soft;
  rlim_t hard;
};

struct LaunchSpec {
  std::string program;                         // absolute path
  std::vector<std::string> arguments;          // without the program's name
  std::vector<std::pair<int, int>> inherited;  // our descriptor, the child's; others are closed
  // The one of the child's that is the reading end of its leash (leash.hpp); none: it has none.
  std::optional<int> leash_fd{};
  std::vector<std::string> environment{};  // "NAME=value", beside and over our own
  std::vector<ResourceLimit> limits{};
  std::optional<int> nice{};
  std::optional<int> oom_score_adj{};
  bool insists_on_oom_score_adj = false;  // else that one may fail
  std::optional<Credentials> credentials{};
  std::string working_directory{};  // empty: ours
  bool no_new_privileges = false;
};

// As many open files as the hard limit allows, for clients and servers; children begin with the
// limit of before. Once, at the start; where it can't be raised it stays.
void raise_open_files();

// Returns the pid. Failures name the program and the step that failed.
// The child gets SIGKILL when this process dies, a process group of its own (a terminal's Ctrl-C is
// for the daemon alone), default signal handlers, /dev/null as its input.
// `mark`: one more "NAME=value".
[[nodiscard]] Result<pid_t> spawn(const LaunchSpec& spec, const std::string& mark);

}  // namespace peeper::daemon
