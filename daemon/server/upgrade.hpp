// A code change of one server: what is asked for, and what is known of it while it is under way.
// The stages are the lifecycle's; Server carries them out (server_upgrade.cpp).
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "common/result.hpp"
#include "daemon/config/behaviour_path.hpp"
#include "daemon/delivery/calls.hpp"

namespace peeper::daemon {

struct Upgrade {
  std::string behaviour;  // as it was asked for
  // The new code's; while the new code is being started, the old one's.
  std::filesystem::path library;
  std::chrono::milliseconds timeout{};  // of each stage that waits for a worker
  ReplyTarget caller;

  bool begun = false;          // the new code was started: `library` is the old one's
  std::uint64_t sequence = 0;  // committed when it was
  char header_mark = '\0';     // first byte of the header's behaviour when it was
  bool timed_out = false;      // in the present stage
  std::string cause;           // of the last death or failed launch
};

// The file that `behaviour` names, found as a configuration's is, and checked as far as can be
// without loading it: a shared object that may be read. May block on the file system.
[[nodiscard]] Result<std::filesystem::path> find_new_code(const std::string& behaviour,
                                                          const config::SearchPath& path);

}  // namespace peeper::daemon
