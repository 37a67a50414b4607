#include "daemon/cli/option_parts.hpp"

namespace peeper::cli {

void add_segments(CLI::App& app, Fields& fields) {
  CLI::App* segments =
      add_verb(app, fields, Verb::kSegments, "segments",
               "List the servers' segments in /dev/shm, or remove stale ones",
               "Of this peeperd's instance and user. HELD: by a keeper or a worker that lives.\n"
               "CONFIGURED: peeperd has a server of that name. STATE: what it is. --prune\n"
               "removes those that are stale, with state, messages and crashes, and no others.\n"
               "Example: peeper segments\n"
               "         peeper segments --prune");
  segments->add_flag("--prune", fields.options.prune,
                     "remove those of no configured server that no process\n"
                     "holds");
}

}  // namespace peeper::cli
