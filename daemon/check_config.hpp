// The configuration as peeperd is about to run it: read, overridden by the command line, and each
// behaviour found. `peeperd --check` does this and no more, so it finds what a start would refuse.
// Blocks on the file system. Nothing here throws or exits.
#pragma once

#include <iosfwd>

#include "daemon/config/behaviour_path.hpp"
#include "daemon/config/load.hpp"
#include "daemon/options.hpp"

namespace peeper {

// PEEPER_PATH and this program's directory, from the process itself.
[[nodiscard]] config::SearchPath search_path_of_this_process(
    const std::filesystem::path& config_file);

// As config::load(), and a behaviour that isn't found is one more mistake, at its line.
[[nodiscard]] config::Loaded load_for_start(const Options& options, const config::SearchPath& path);

// "FILE: ok, 3 servers" on `out` and 0, or all mistakes on `err` and 2: what the program exits
// with.
[[nodiscard]] int report_config(const config::Loaded& loaded, std::ostream& out, std::ostream& err);

}  // namespace peeper
