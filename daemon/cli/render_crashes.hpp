// Crashes and dead letters as text, for people. Pure.
#pragma once

#include <string>

#include "common/resp/reply.hpp"
#include "daemon/cli/render_text.hpp"

namespace peeper::cli {

// A line each; "none" if there is none. What isn't as the daemon answers is rendered as a value.
[[nodiscard]] std::string render_crashes(const resp::Reply& crashes, Target target);
[[nodiscard]] std::string render_letters(const resp::Reply& letters, Target target);

// All there is of one, then its backtrace:
//   #0 boom(int) at /src/counter.cpp:12
[[nodiscard]] std::string render_crash(const resp::Reply& crash, Target target);

}  // namespace peeper::cli
