// All that is counted, as Prometheus reads it: the families of README.md.
//
// Thread: the loop's. Takes some microseconds a server; nothing blocks.
#pragma once

#include <string>

#include "daemon/daemon_facts.hpp"
#include "daemon/servers.hpp"

namespace peeper::daemon {

[[nodiscard]] std::string exposition(DaemonFacts& facts, const Servers& servers);

}  // namespace peeper::daemon
