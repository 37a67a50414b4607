// `peeper bench`: a closed load on one server, from this process's one thread.
#pragma once

#include "daemon/cli/commands.hpp"

namespace peeper::cli {

// Blocks until all requests are answered. The exit code is kServerError if an answer was an error;
// otherwise as that of any command. A connection that is lost, or a request without an answer for
// waiting_time(), ends it: what was measured until then is in the failure's text, as a count only.
// Progress is written to stderr meanwhile if that is a terminal.
[[nodiscard]] Output run_bench(const Options& options, Targets targets);

}  // namespace peeper::cli
