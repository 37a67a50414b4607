// `peeper watch`: a server's state, then what changes of it, until a signal ends the program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/commands.hpp"
#include "daemon/cli/state_diff.hpp"

namespace peeper::cli {

// Blocks until the reader of stdout is gone, or the server isn't there any more. A peeperd that is
// gone, or a server that is down, is told on stderr, and looked at again.
[[nodiscard]] Output run_watch(const Options& options, Targets targets);

// --- Its parts, pure -----------------------------------------------------------------------------

// One change as lines: "~ path: before -> after", "+ path: value", "- path: value". `columns`: what
// each is cut to; 0: nothing.
struct DiffStyle {
  bool colour = false;
  std::size_t columns = 0;
};
[[nodiscard]] std::string render_differences(const std::vector<Difference>& differences,
                                             DiffStyle style);
// One JSON object, without a line end.
[[nodiscard]] std::string render_differences_json(std::string_view server, std::uint64_t sequence,
                                                  std::uint64_t commits,
                                                  const std::vector<Difference>& differences);

}  // namespace peeper::cli
