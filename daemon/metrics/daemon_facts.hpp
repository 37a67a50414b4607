// What INFO and the metrics tell of the daemon itself.
//
// Owner: Runtime. Thread: the loop's; whoever does something counts it here.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "daemon/counts/durations.hpp"
#include "daemon/metrics/open_files.hpp"

namespace peeper::daemon {

struct DaemonFacts {
  std::string version;
  std::string config_file;
  std::string instance;
  std::chrono::steady_clock::time_point started = std::chrono::steady_clock::now();
  std::uint64_t connections = 0;  // now
  std::uint64_t connections_received = 0;
  std::uint64_t commands = 0;
  std::uint64_t received_bytes = 0;
  std::uint64_t sent_bytes = 0;
  std::chrono::system_clock::time_point started_at = std::chrono::system_clock::now();
  Durations<std::uint64_t> turns;  // of the loop, those that had something to do
  OpenFiles open_files;
};

}  // namespace peeper::daemon
