// Replies as JSON, for programs, as common/json/value_json.hpp has it. Pure.
#pragma once

#include <string>
#include <string_view>

#include "common/resp/error_parts.hpp"
#include "common/resp/reply.hpp"

namespace peeper::cli {

// On one line, without its end, and without what commands a terminal (json_text).
[[nodiscard]] std::string render_json(const resp::Reply& reply);
[[nodiscard]] std::string render_json_error(std::string_view code, std::string_view message);

using resp::ErrorParts;
using resp::error_parts;

}  // namespace peeper::cli
