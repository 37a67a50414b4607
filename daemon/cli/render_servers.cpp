#include "daemon/cli/render_servers.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

#include "daemon/cli/render_json.hpp"
#include "daemon/cli/table.hpp"

namespace peeper::cli {
namespace {

using resp::Reply;

constexpr std::size_t kTerminalColumns = 80;
constexpr std::size_t kIndent = 2;

std::string cell(const Reply& child, const char* field) {
  const Reply* value = child.field(field);
  if (value == nullptr || value->type == Reply::Type::kNull) return "-";
  return value->elements.empty() ? entry_text(*value) : render_json(*value);
}

std::uint64_t whole(const Reply& child, const char* field) {
  const Reply* value = child.field(field);
  const bool is_number = value != nullptr && value->type == Reply::Type::kInteger;
  return is_number && value->integer > 0 ? static_cast<std::uint64_t>(value->integer) : 0;
}

double real(const Reply& child, const char* field) {
  const Reply* value = child.field(field);
  return value == nullptr ? 0 : std::strtod(value->text.c_str(), nullptr);
}

bool is_group(const Reply& child) { return child.field("group_name") != nullptr; }

struct Shown {
  Column column;
  std::string (*text)(const Reply& child);
};

// The name comes first and alone is cut.
constexpr std::array<Shown, 11> kColumns = {{
    {{"SERVER"}, [](const Reply& child) {
       return is_group(child) ? "[" + cell(child, "group_name") + "]" : cell(child, "server");
     }},
    {{"STATE"}, [](const Reply& child) { return cell(child, "state"); }},
    {{"KEEPER", Align::kRight}, [](const Reply& child) { return cell(child, "keeper"); }},
    {{"WORKER", Align::kRight}, [](const Reply& child) { return cell(child, "worker"); }},
    {{"STANDBY", Align::kRight}, [](const Reply& child) { return cell(child, "standby"); }},
    {{"UP", Align::kRight}, [](const Reply& child) {
       return is_group(child) || whole(child, "worker") == 0
                  ? std::string("-")
                  : short_duration(whole(child, "uptime_ms"));
     }},
    {{"INC", Align::kRight}, [](const Reply& child) { return cell(child, "incarnation"); }},
    {{"CRASHES", Align::kRight}, [](const Reply& child) { return cell(child, "crashes"); }},
    {{"MAIL", Align::kRight}, [](const Reply& child) { return cell(child, "mailbox"); }},
    {{"CALLS/S", Align::kRight}, [](const Reply& child) {
       return is_group(child) ? std::string("-") : short_rate(real(child, "calls_per_second"));
     }},
    {{"P99", Align::kRight}, [](const Reply& child) {
       return is_group(child) ? std::string("-") : short_latency(whole(child, "p99_us"));
     }},
}};

// Largest first, but for names.
bool comes_before(const Reply& a, const Reply& b, SortBy sort) {
  switch (sort) {
    case SortBy::kTree:
    case SortBy::kName: break;
    case SortBy::kCalls: return real(a, "calls_per_second") > real(b, "calls_per_second");
    case SortBy::kP99: return whole(a, "p99_us") > whole(b, "p99_us");
    case SortBy::kMailbox: return whole(a, "mailbox") > whole(b, "mailbox");
    case SortBy::kCrashes: return whole(a, "crashes") > whole(b, "crashes");
    case SortBy::kUptime: return whole(a, "uptime_ms") > whole(b, "uptime_ms");
  }
  return cell(a, "server") < cell(b, "server");
}

// "%.1f", but for what has enough digits without.
std::string few_digits(double number, const char* unit) {
  char text[32];
  std::snprintf(text, sizeof text, number < 99.95 ? "%.1f" : "%.0f", number);
  std::string digits = text;
  if (digits.ends_with(".0")) digits.resize(digits.size() - 2);
  return digits + unit;
}

}  // namespace

std::string short_duration(std::uint64_t milliseconds) {
  const std::uint64_t seconds = milliseconds / 1000;
  const auto two = [](std::uint64_t large, const char* unit, std::uint64_t small,
                      const char* rest) {
    return std::to_string(large) + unit + (small == 0 ? "" : std::to_string(small) + rest);
  };
  if (seconds < 60) return std::to_string(seconds) + "s";
  if (seconds < 3600) return std::to_string(seconds / 60) + "m";
  if (seconds < 86'400) return two(seconds / 3600, "h", seconds % 3600 / 60, "m");
  return two(seconds / 86'400, "d", seconds % 86'400 / 3600, "h");
}

std::string short_rate(double per_second) {
  if (per_second < 9'999.5) return few_digits(per_second, "");
  if (per_second < 999'950) return few_digits(per_second / 1e3, "k");
  return few_digits(per_second / 1e6, "M");
}

std::string short_latency(std::uint64_t microseconds) {
  const auto us = static_cast<double>(microseconds);
  if (microseconds == 0) return "-";
  if (microseconds < 1'000) return std::to_string(microseconds) + "us";
  if (microseconds < 999'950) return few_digits(us / 1e3, "ms");
  return few_digits(us / 1e6, "s");
}

ServerTable server_table(const Reply& children, SortBy sort, std::optional<std::size_t> columns) {
  std::vector<const Reply*> shown;
  for (const Reply& child : children.elements)
    if (sort == SortBy::kTree || !is_group(child)) shown.push_back(&child);
  if (sort != SortBy::kTree)
    std::ranges::stable_sort(
        shown, [sort](const Reply* a, const Reply* b) { return comes_before(*a, *b, sort); });

  ServerTable table;
  std::vector<Column> titles;
  for (const Shown& column : kColumns) titles.push_back(column.column);
  std::vector<TableRow> rows;
  std::map<std::string, std::size_t> depths;  // of the groups
  for (const Reply* child : shown) {
    TableRow& row = rows.emplace_back();
    for (const Shown& column : kColumns) row.push_back(column.text(*child));
    const auto above = depths.find(cell(*child, "group"));
    const std::size_t depth = above == depths.end() ? 0 : above->second + 1;
    if (is_group(*child)) depths[cell(*child, "group_name")] = depth;
    if (sort == SortBy::kTree) row[0].insert(0, depth * kIndent, ' ');
    table.servers.push_back(is_group(*child) ? "" : cell(*child, "server"));
  }
  table.lines = table_lines(titles, std::move(rows),
                            {.gap = columns ? std::size_t{1} : 2, .terminal = columns});
  table.header = std::move(table.lines.front());
  table.lines.erase(table.lines.begin());
  return table;
}

std::string render_servers(const Reply& children, Target target) {
  if (!is_array_of_maps(children)) return render_value(children, target);
  const ServerTable table =
      server_table(children, SortBy::kTree,
                   target == Target::kTerminal ? std::optional{kTerminalColumns} : std::nullopt);
  std::string text = table.header + "\n";
  for (const std::string& line : table.lines) text += line + "\n";
  return text;
}

}  // namespace peeper::cli
