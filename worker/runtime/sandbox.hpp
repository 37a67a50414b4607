// What a worker gives up before it loads any code of the server's: the network, writing files, and
// system calls that reach beyond its own process. None of it can be had again, and what the code
// starts is bound by it too. By Landlock and seccomp; the daemon has set no_new_privs before exec.
//
// Thread: main, before there are others. Never a part of it only: on failure the worker must end.
#pragma once

#include <string>
#include <vector>

#include "common/result.hpp"

namespace peeper::worker {

struct Sandbox {
  bool no_network = false;
  bool read_only = false;
  std::vector<std::string> writable;  // with read_only: files, or directories with all in them
  bool no_dangerous_calls = false;
};

// `segment`: the path of the worker's own, which stays writable, for the heap grows.
[[nodiscard]] Result<void> enter_sandbox(const Sandbox& sandbox, const std::string& segment);

}  // namespace peeper::worker
