// `peeper log -f`: the last lines, then those that come.
#pragma once

#include <functional>
#include <string_view>

#include "daemon/cli/commands.hpp"

namespace peeper::cli {

// `write` takes one line or more for stdout, and gives 0 or an errno. Blocks until that is an
// error, or until peeperd is gone for longer than other commands would wait; then says what to
// print.
using Write = std::function<int(std::string_view text)>;
[[nodiscard]] Output follow_log(const Options& options, Targets targets, const Write& write);

}  // namespace peeper::cli
