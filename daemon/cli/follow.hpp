// `peeper log -f`: the last lines, then those that come.
#pragma once

#include "daemon/cli/commands.hpp"

namespace peeper::cli {

// Blocks until writing fails, or until peeperd is gone for longer than other commands would wait;
// then says what to print.
[[nodiscard]] Output follow_log(const Options& options, Targets targets, const Write& write);

}  // namespace peeper::cli
