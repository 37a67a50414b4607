// `peeper trace SERVER`: what goes in and out of a server, live, until a signal ends the program.
#pragma once

#include "daemon/cli/commands.hpp"

namespace peeper::cli {

// Blocks until its reader or, with --no-retry, peeperd is gone.
[[nodiscard]] Output follow_trace(const Options& options, Targets targets, const Write& write);

// One event as lines, "12:01:02.345 got call from client 7: inc 5"; before it how many were dropped.
// Pure but for the zone of the local time.
[[nodiscard]] std::string render_trace(const resp::Reply& event);

}  // namespace peeper::cli
