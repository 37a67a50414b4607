// The table of `peeper segments`. Pure.
#pragma once

#include <cstdint>
#include <string>

#include "common/resp/reply.hpp"
#include "daemon/cli/render_text.hpp"

namespace peeper::cli {

// What is no array of maps is rendered as a value.
[[nodiscard]] std::string render_segments(const resp::Reply& segments, Target target);

// "0 B", "13.0 MiB"; "-" below zero.
[[nodiscard]] std::string bytes_text(std::int64_t bytes);
// "42 s", "3 h", "12 d": the largest unit of which there are two, rounded down.
[[nodiscard]] std::string age_text(std::int64_t seconds);

}  // namespace peeper::cli
