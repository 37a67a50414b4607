// `peeper shell`: commands one after another at a prompt, with history and completion (libedit), or
// from a file or a pipe.
#pragma once

#include "daemon/cli/commands.hpp"

namespace peeper::cli {

// Blocks until the end of input, `exit` or `quit`. What the commands print is printed at once; the
// exit code is the last command's. `options` are what each command begins with: socket, --json, ….
[[nodiscard]] Output run_shell(const Options& options, Targets targets);

}  // namespace peeper::cli
