// Tables of what the daemon lists, for people. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/resp/reply.hpp"

namespace peeper::cli {

using TableRow = std::vector<std::string>;

// At least one row, the titles; all of the same length. The last column is as wide as it is.
[[nodiscard]] std::string table_of(const std::vector<TableRow>& rows);

[[nodiscard]] bool is_array_of_maps(const resp::Reply& reply);
// The value of a key, "-" if it is null or isn't there. Whatever it holds, it stays in one line.
[[nodiscard]] std::string field_text(const resp::Reply& map, std::string_view key);

}  // namespace peeper::cli
