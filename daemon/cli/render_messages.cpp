#include "daemon/cli/render_messages.hpp"

#include <algorithm>
#include <vector>

#include "common/utf8.hpp"
#include "daemon/cli/table.hpp"

namespace peeper::cli {
namespace {

constexpr std::size_t kColumns = 80;
constexpr std::size_t kKindColumns = 6;
// Of a message with its arguments. Beyond it, the text has lines of its own.
constexpr std::size_t kMostMessageColumns = 34;

struct Row {
  std::string kind;
  std::string message;
  std::string text;
};

// From column `indent` on; what doesn't fit goes on in lines that begin there.
void append_wrapped(std::string& out, std::string_view text, std::size_t indent) {
  std::size_t column = indent;
  bool is_first = true;  // of its line
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (!is_first && column + 1 + width(word) > kColumns) {
      out.append("\n").append(indent, ' ');
      column = indent;
      is_first = true;
    }
    if (!is_first) out += ' ';
    column += width(word) + (is_first ? 0 : 1);
    out += word;
    is_first = false;
  }
}

void append_row(std::string& out, const Row& row, std::size_t message_columns, Target target) {
  out += row.kind;
  out.append(kKindColumns - std::min(row.kind.size(), kKindColumns - 1), ' ');
  out += row.message;
  if (row.text.empty()) {
    out += '\n';
    return;
  }
  const std::size_t taken = width(row.message);
  const std::size_t indent = kKindColumns + message_columns + 2;
  if (taken <= message_columns)
    out.append(message_columns - taken + 2, ' ');
  else if (target == Target::kTerminal)
    out.append("\n").append(indent, ' ');
  else
    out.append("  ");
  if (target == Target::kTerminal)
    append_wrapped(out, row.text, indent);
  else
    out += row.text;
  out += '\n';
}

}  // namespace

std::string render_messages(const resp::Reply& messages, std::string_view server, Target target) {
  if (!is_array_of_maps(messages)) return render_value(messages, target);
  if (messages.elements.empty())
    return "The behaviour of server '" + escape_control(server) +
           "' lists no messages. That says nothing of those it takes:\nsee its source, or "
           "'messages' in peeper-server(7).\n";
  std::vector<Row> rows{{"KIND", "MESSAGE", "WHAT IT DOES"}};
  for (const resp::Reply& message : messages.elements) {
    Row row{field_text(message, "kind"), field_text(message, "message"),
            field_text(message, "text")};
    const std::string arguments = field_text(message, "arguments");
    if (!arguments.empty()) row.message += " " + arguments;
    rows.push_back(std::move(row));
  }
  std::size_t columns = 0;
  for (const Row& row : rows)
    if (const std::size_t taken = width(row.message); taken <= kMostMessageColumns)
      columns = std::max(columns, taken);
  std::string out;
  for (const Row& row : rows) append_row(out, row, columns, target);
  return out;
}

}  // namespace peeper::cli
