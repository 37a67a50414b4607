// All that is counted, as Prometheus reads it: the families of README.md.
//
// Thread: the loop's. Takes some microseconds a server; nothing blocks.
#pragma once

#include <string>

#include "daemon/metrics/daemon_facts.hpp"
#include "daemon/server/servers.hpp"

namespace peeper::daemon {

[[nodiscard]] std::string exposition(DaemonFacts& facts, const Servers& servers);

}  // namespace peeper::daemon
