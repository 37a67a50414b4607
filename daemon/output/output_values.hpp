// Lines that workers wrote, as RESP3 values: for SYS OUTPUT, and for who follows. Pure.
#pragma once

#include <string>

#include "daemon/output/output_ring.hpp"

namespace peeper::daemon {

// A map: time, server, incarnation (null: a standby's), stream, line, partial, number, dropped.
[[nodiscard]] std::string output_value(const ServersLine& line);

}  // namespace peeper::daemon
