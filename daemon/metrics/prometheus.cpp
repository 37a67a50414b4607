#include "daemon/metrics/prometheus.hpp"

#include <charconv>

namespace peeper::daemon {
namespace {

void append_number(std::string& text, std::uint64_t value) { text += std::to_string(value); }

// The shortest that reads back as the same.
void append_number(std::string& text, double value) {
  char digits[32];
  const char* end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  text.append(static_cast<const char*>(digits), end);
}

void append_escaped(std::string& text, std::string_view value) {
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    if (c == '\n')
      text += "\\n";
    else
      text += c;
  }
}

}  // namespace

void PrometheusText::family(std::string_view name, std::string_view type, std::string_view help) {
  family_ = name;
  text_.append("# HELP ").append(name).append(" ").append(help).append("\n# TYPE ");
  text_.append(name).append(" ").append(type).append("\n");
}

void PrometheusText::begin(std::string_view suffix, Labels labels) {
  text_.append(family_).append(suffix);
  char before = '{';
  for (const auto& [name, value] : labels) {
    if (name.empty()) continue;
    text_ += before;
    before = ',';
    text_.append(name).append("=\"");
    append_escaped(text_, value);
    text_ += '"';
  }
  text_ += before == '{' ? " " : "} ";
}

void PrometheusText::sample(Labels labels, std::uint64_t value) {
  begin("", labels);
  append_number(text_, value);
  text_ += '\n';
}

void PrometheusText::sample(Labels labels, double value) {
  begin("", labels);
  append_number(text_, value);
  text_ += '\n';
}

void PrometheusText::histogram(std::string_view server, const Durations<std::uint64_t>& durations) {
  const Label label = server.empty() ? Label{} : Label{"server", server};
  std::uint64_t up_to = 0;
  for (std::size_t i = 0; i < kDurationBounds; ++i) {
    up_to += durations.counts()[i];
    if (i % 2 != 0) continue;  // 1.5, 3 and 7
    std::string bound;
    append_number(bound, static_cast<double>(kDurations[i]) / 1e9);
    begin("_bucket", {label, {"le", bound}});
    append_number(text_, up_to);
    text_ += '\n';
  }
  begin("_bucket", {label, {"le", "+Inf"}});
  append_number(text_, durations.count());
  text_ += '\n';
  summary(server, durations.count(), durations.sum_ns());
}

void PrometheusText::summary(std::string_view server, std::uint64_t count, std::uint64_t sum_ns) {
  const Label label = server.empty() ? Label{} : Label{"server", server};
  begin("_sum", {label});
  append_number(text_, static_cast<double>(sum_ns) / 1e9);
  text_ += '\n';
  begin("_count", {label});
  append_number(text_, count);
  text_ += '\n';
}

}  // namespace peeper::daemon
