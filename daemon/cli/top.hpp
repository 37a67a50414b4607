// `peeper top`: the servers, live, on a terminal.
#pragma once

#include "daemon/cli/commands.hpp"

namespace peeper::cli {

// Blocks until the user ends it, or a signal does; the terminal is then as it was. If stdin or stdout
// is no terminal it says so (kUsage). A peeperd that is gone is told on the screen, and looked for
// again.
[[nodiscard]] Output run_top(const Options& options, Targets targets);

}  // namespace peeper::cli
