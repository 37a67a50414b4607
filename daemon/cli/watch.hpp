// `peeper watch`: a server's state, then what changes of it, until a signal ends the program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/cli/commands.hpp"
#include "daemon/cli/state_diff.hpp"

namespace peeper::cli {

// Blocks until writing fails, or peeperd is gone for longer than other commands would wait. What
// can't be shown is told on stderr.
[[nodiscard]] Output run_watch(const Options& options, Targets targets, const Write& write);

// --- Its parts, pure -----------------------------------------------------------------------------

// One change as lines: "~ path: before -> after", "+ path: value", "- path: value". `columns`: what
// each is cut to; 0: nothing.
struct DiffStyle {
  bool colour = false;
  std::size_t columns = 0;
};
[[nodiscard]] std::string render_differences(const std::vector<Difference>& differences,
                                             DiffStyle style);
// One JSON object, without a line end. `times`: changes that led there.
[[nodiscard]] std::string render_differences_json(std::string_view server, std::int64_t sequence,
                                                  std::int64_t times,
                                                  const std::vector<Difference>& differences);

}  // namespace peeper::cli
