#include "daemon/cli/table.hpp"

#include <algorithm>
#include <utility>

#include "common/utf8.hpp"
#include "daemon/cli/render_text.hpp"

namespace peeper::cli {

using resp::Reply;

namespace {

std::vector<std::size_t> widths_of(const std::vector<TableRow>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const TableRow& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width(row[i]));
  return widths;
}

// Never below the width of its title, which stands in the first row.
void cut_first(std::vector<TableRow>& rows, std::size_t terminal, std::size_t gap) {
  const std::vector<std::size_t> widths = widths_of(rows);
  std::size_t others = 0;
  for (std::size_t i = 1; i < widths.size(); ++i) others += widths[i] + gap;
  const std::size_t least = width(rows.front().front());
  for (TableRow& row : rows)
    row[0] = cut(row[0], std::max(terminal > others ? terminal - others : 0, least));
}

}  // namespace

std::vector<std::string> table_lines(const std::vector<Column>& columns,
                                     std::vector<TableRow> rows, TableFit fit) {
  TableRow titles;
  for (const Column& column : columns) titles.emplace_back(column.title);
  rows.insert(rows.begin(), std::move(titles));
  if (fit.terminal) cut_first(rows, *fit.terminal, fit.gap);
  const std::vector<std::size_t> widths = widths_of(rows);
  std::vector<std::string> lines;
  for (const TableRow& row : rows) {
    std::string& line = lines.emplace_back();
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::size_t padding = widths[i] - width(row[i]);
      if (i > 0) line.append(fit.gap, ' ');
      if (columns[i].align == Align::kRight) line.append(padding, ' ');
      line += row[i];
      if (columns[i].align == Align::kLeft && i + 1 < row.size()) line.append(padding, ' ');
    }
  }
  return lines;
}

std::string table_of(const std::vector<Column>& columns, std::vector<TableRow> rows) {
  std::string table;
  for (const std::string& line : table_lines(columns, std::move(rows))) table += line + "\n";
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
