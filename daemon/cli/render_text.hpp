// Replies as text, for people. Pure. Every answer ends in a line end.
//
// A lone text is printed as it is: raw bytes into a pipe; on a terminal without what could command
// the terminal. In trees and tables, where a line is an entry, line ends are escaped everywhere.
// Escapes are for safety, not for reading back: programs take --json.
#pragma once

#include <string>
#include <string_view>

#include "common/resp/reply.hpp"

namespace peeper::cli {

enum class Target { kTerminal, kPipe };

// Scalars plainly, null as "(nil)"; containers as a tree:
//   - 1            name: counter
//   - two          list:
//                    - 1
[[nodiscard]] std::string render_value(const resp::Reply& reply, Target target);

// As render_value, with the values of a map in one column.
[[nodiscard]] std::string render_fields(const resp::Reply& reply, Target target);

// A scalar, or an empty container, as it stands in a line: always escaped, "" if there is nothing.
[[nodiscard]] std::string entry_text(const resp::Reply& reply);

// Columns of text without control characters, wide characters counted once.
[[nodiscard]] std::size_t width(std::string_view text);

// Text without control characters, cut to so many columns, of which the last one then is a "~".
[[nodiscard]] std::string cut(std::string_view text, std::size_t columns);

// "(error) CODE text"
[[nodiscard]] std::string render_error(std::string_view text, Target target);

}  // namespace peeper::cli
