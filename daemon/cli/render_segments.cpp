#include "daemon/cli/render_segments.hpp"

#include <array>
#include <cstdio>
#include <string_view>
#include <utility>
#include <vector>

#include "common/utf8.hpp"
#include "daemon/cli/map_fields.hpp"
#include "daemon/cli/table.hpp"

namespace peeper::cli {
namespace {

using resp::Reply;

std::string yes_or_no(const Reply& map, std::string_view key) {
  const Reply* value = map.field(key);
  if (value == nullptr || value->type != Reply::Type::kBoolean) return "-";
  return value->integer != 0 ? "yes" : "no";
}

// With what kept it from being removed.
std::string state_text(const Reply& map) {
  const std::string error = text_in(map, "error");
  return field_text(map, "state") + (error.empty() ? "" : ": " + escape_control(error));
}

}  // namespace

std::string bytes_text(std::int64_t bytes) {
  static constexpr std::array<const char*, 4> kUnits{"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 0) return "-";
  if (bytes < 1024) return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (value /= 1024; value >= 1024 && unit + 1 < kUnits.size(); value /= 1024) ++unit;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", value, kUnits.at(unit));
  return text;
}

std::string age_text(std::int64_t seconds) {
  static constexpr std::array<std::pair<std::int64_t, const char*>, 3> kUnits{
      {{86'400, " d"}, {3'600, " h"}, {60, " min"}}};
  if (seconds < 0) return "-";
  for (const auto& [unit, name] : kUnits)
    if (seconds >= 2 * unit) return std::to_string(seconds / unit) + name;
  return std::to_string(seconds) + " s";
}

std::string render_segments(const Reply& segments, Target target) {
  if (!is_array_of_maps(segments)) return render_value(segments, target);
  if (segments.elements.empty()) return "none\n";
  std::vector<TableRow> rows;
  for (const Reply& segment : segments.elements)
    rows.push_back({field_text(segment, "server"), bytes_text(number_in(segment, "size", -1)),
                    bytes_text(number_in(segment, "used", -1)), yes_or_no(segment, "held"),
                    yes_or_no(segment, "configured"),
                    age_text(number_in(segment, "age_seconds", -1)), state_text(segment)});
  return table_of({{"SERVER"},
                   {"SIZE", Align::kRight},
                   {"USED", Align::kRight},
                   {"HELD"},
                   {"CONFIGURED"},
                   {"AGE", Align::kRight},
                   {"STATE"}},
                  std::move(rows));
}

}  // namespace peeper::cli
