// Tables of what the daemon lists, for people. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/resp/reply.hpp"

namespace peeper::cli {

enum class Align { kLeft, kRight };  // words, and numbers

struct Column {
  constexpr Column(std::string_view words, Align cells = Align::kLeft)
      : title(words), align(cells) {}
  std::string_view title;
  Align align;
};

// A cell each column.
using TableRow = std::vector<std::string>;

struct TableFit {
  std::size_t gap = 2;                   // between two columns
  std::optional<std::size_t> terminal{};  // its columns: those of the first that don't fit are cut
};

// The titles first. No line ends, and no spaces there but of a last column of numbers.
[[nodiscard]] std::vector<std::string> table_lines(const std::vector<Column>& columns,
                                                   std::vector<TableRow> rows, TableFit fit = {});
// The same with line ends.
[[nodiscard]] std::string table_of(const std::vector<Column>& columns, std::vector<TableRow> rows);

[[nodiscard]] bool is_array_of_maps(const resp::Reply& reply);
// The value of a key, "-" if it is null or isn't there. Whatever it holds, it stays in one line.
[[nodiscard]] std::string field_text(const resp::Reply& map, std::string_view key);

}  // namespace peeper::cli
