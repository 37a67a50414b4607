#include "daemon/cli/render_crashes.hpp"

#include <string_view>
#include <utility>
#include <vector>

#include "common/utf8.hpp"
#include "daemon/cli/table.hpp"

namespace peeper::cli {
namespace {

using resp::Reply;

bool has(const Reply& map, std::string_view key) {
  const Reply* value = map.field(key);
  return value != nullptr && value->type != Reply::Type::kNull;
}

std::string frame_text(const Reply& frame, std::size_t number) {
  std::string text = "  #" + std::to_string(number) + " ";
  if (has(frame, "function"))
    text += field_text(frame, "function");
  else
    text += (has(frame, "module") ? field_text(frame, "module") + "+" : "") +
            field_text(frame, "offset");
  if (has(frame, "source")) text += " at " + field_text(frame, "source");
  if (has(frame, "inlined")) text += " (inlined)";
  if (has(frame, "function") && !has(frame, "source"))
    text += " in " + field_text(frame, "module");
  return text + "\n";
}

std::string backtrace_text(const Reply& crash) {
  const Reply* backtrace = crash.field("backtrace");
  if (backtrace == nullptr || !is_array_of_maps(*backtrace)) return "";
  if (backtrace->elements.empty())
    return "backtrace: none: " + field_text(crash, "no_backtrace") + "\n";
  std::string text = "backtrace:\n";
  bool changed = false;
  for (std::size_t i = 0; i < backtrace->elements.size(); ++i) {
    text += frame_text(backtrace->elements[i], i);
    changed = changed || has(backtrace->elements[i], "changed");
  }
  if (changed)
    text += "Files of this code were written after the crash: these names may be wrong.\n";
  return text;
}

}  // namespace

std::string render_crashes(const Reply& crashes, Target target) {
  if (!is_array_of_maps(crashes)) return render_value(crashes, target);
  if (crashes.elements.empty()) return "none\n";
  std::vector<TableRow> rows;
  for (const Reply& crash : crashes.elements) {
    std::string cause = field_text(crash, "text");
    if (has(crash, "in")) cause += " in '" + field_text(crash, "in") + "'";
    rows.push_back({field_text(crash, "server"), field_text(crash, "number"),
                    field_text(crash, "time"), field_text(crash, "same_place") + "x", cause});
  }
  return table_of({{"SERVER"}, {"N", Align::kRight}, {"TIME"}, {"PLACE", Align::kRight}, {"CAUSE"}},
                  std::move(rows));
}

std::string render_letters(const Reply& letters, Target target) {
  if (!is_array_of_maps(letters)) return render_value(letters, target);
  if (letters.elements.empty()) return "none\n";
  std::vector<TableRow> rows;
  for (const Reply& letter : letters.elements)
    rows.push_back({field_text(letter, "number"), field_text(letter, "time"),
                    field_text(letter, "type"), field_text(letter, "bytes"),
                    field_text(letter, "message"), field_text(letter, "sender"),
                    field_text(letter, "cause")});
  return table_of({{"N", Align::kRight},
                   {"TIME"},
                   {"TYPE"},
                   {"BYTES", Align::kRight},
                   {"MESSAGE"},
                   {"SENDER"},
                   {"CAUSE"}},
                  std::move(rows));
}

std::string render_crash(const Reply& crash, Target target) {
  if (crash.type != Reply::Type::kMap) return render_value(crash, target);
  Reply rest = crash;
  rest.elements.clear();
  for (std::size_t i = 0; i + 1 < crash.elements.size(); i += 2) {
    const std::string& key = crash.elements[i].text;
    const bool is_shown_else = key == "backtrace" || key == "no_backtrace";
    if (is_shown_else || crash.elements[i + 1].type == Reply::Type::kNull) continue;
    rest.elements.push_back(crash.elements[i]);
    rest.elements.push_back(crash.elements[i + 1]);
  }
  return render_fields(rest, target) + backtrace_text(crash);
}

}  // namespace peeper::cli
