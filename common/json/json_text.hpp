// JSON as text for whoever reads it, which may be a terminal: what would command one is written as
// \u009b, which is the same JSON. Boost.JSON escapes only what it must, control characters below
// 0x20. Pure.
#pragma once

#include <boost/json.hpp>
#include <string>
#include <string_view>

namespace peeper {

// On one line, without its end.
[[nodiscard]] std::string json_text(const boost::json::value& value);
// A string. Each byte that is not UTF-8 becomes U+FFFD.
[[nodiscard]] std::string json_string(std::string_view bytes);

}  // namespace peeper
