#include "daemon/cli/table.hpp"

#include <algorithm>

#include "common/utf8.hpp"
#include "daemon/cli/render_text.hpp"

namespace peeper::cli {

using resp::Reply;

std::string table_of(const std::vector<TableRow>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const TableRow& row : rows)
    for (std::size_t i = 0; i + 1 < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string table;
  for (const TableRow& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line += "  ";
      line += row[i];
      if (i + 1 < row.size()) line.append(widths[i] - row[i].size(), ' ');
    }
    table += line + "\n";
  }
  return table;
}

bool is_array_of_maps(const Reply& reply) {
  return reply.type == Reply::Type::kArray &&
         std::ranges::all_of(reply.elements, [](const Reply& element) {
           return element.type == Reply::Type::kMap;
         });
}

std::string field_text(const Reply& map, std::string_view key) {
  const Reply* value = map.field(key);
  if (value == nullptr || value->type == Reply::Type::kNull) return "-";
  if (value->type == Reply::Type::kInteger) return std::to_string(value->integer);
  return escape_control(value->text);
}

}  // namespace peeper::cli
