#include "daemon/log/log_format.hpp"

#include <spdlog/pattern_formatter.h>
#include <syslog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <string>
#include <utility>

#include "common/json/json_text.hpp"
#include "common/utf8.hpp"
#include "daemon/values/time_text.hpp"

namespace peeper::daemon {
namespace {

using spdlog::details::log_msg;
using spdlog::memory_buf_t;

std::string_view payload_of(const log_msg& message) {
  return {message.payload.data(), message.payload.size()};
}

void append(memory_buf_t& out, std::string_view text) {
  out.append(text.data(), text.data() + text.size());
}

constexpr const char* pattern_for(LogTime time) {
  return time == LogTime::kShown ? "[%Y-%m-%d %H:%M:%S.%e] [%n] [%^%l%$] %v" : "%v";
}

class TextFormat final : public spdlog::formatter {
 public:
  explicit TextFormat(LogTime time) : time_(time), pattern_(pattern_for(time)) {}

  void format(const log_msg& message, memory_buf_t& out) override {
    const std::string text = escape_control(payload_of(message));
    log_msg escaped = message;
    escaped.payload = {text.data(), text.size()};
    pattern_.format(escaped, out);
    message.color_range_start = escaped.color_range_start;
    message.color_range_end = escaped.color_range_end;
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<TextFormat>(time_);
  }

 private:
  LogTime time_;
  spdlog::pattern_formatter pattern_;
};

class JsonFormat final : public spdlog::formatter {
 public:
  void format(const log_msg& message, memory_buf_t& out) override {
    const std::string_view text = payload_of(message);
    const auto level = spdlog::level::to_string_view(message.level);
    boost::json::object object;
    object["time"] = time_text(message.time);
    object["level"] = boost::json::string_view(level.data(), level.size());
    if (const std::string_view server = server_in(text); !server.empty())
      object["server"] = boost::json::string_view(server.data(), server.size());
    object["message"] = valid_utf8(text);
    append(out, json_text(std::move(object)));
    append(out, "\n");
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<JsonFormat>();
  }
};

class PriorityFormat final : public spdlog::formatter {
 public:
  explicit PriorityFormat(std::unique_ptr<spdlog::formatter> format) : format_(std::move(format)) {}

  void format(const log_msg& message, memory_buf_t& out) override {
    append(out, "<" + std::to_string(priority_of(message.level)) + ">");
    format_->format(message, out);
  }
  [[nodiscard]] std::unique_ptr<spdlog::formatter> clone() const override {
    return std::make_unique<PriorityFormat>(format_->clone());
  }

 private:
  std::unique_ptr<spdlog::formatter> format_;
};

bool is_of_name(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '.' || c == '-';
}

}  // namespace

int priority_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace:
    case spdlog::level::debug: return LOG_DEBUG;
    case spdlog::level::info:
    case spdlog::level::off:
    case spdlog::level::n_levels: return LOG_INFO;
    case spdlog::level::warn: return LOG_WARNING;
    case spdlog::level::err: return LOG_ERR;
    case spdlog::level::critical: return LOG_CRIT;
  }
  return LOG_INFO;
}

std::unique_ptr<spdlog::formatter> text_log_format(LogTime time) {
  return std::make_unique<TextFormat>(time);
}

std::unique_ptr<spdlog::formatter> json_log_format() { return std::make_unique<JsonFormat>(); }

std::unique_ptr<spdlog::formatter> with_priority(std::unique_ptr<spdlog::formatter> format) {
  return std::make_unique<PriorityFormat>(std::move(format));
}

std::string_view server_in(std::string_view message) {
  for (const std::string_view beginning : {"server ", "*DBG* "}) {
    if (!message.starts_with(beginning)) continue;
    const std::string_view rest = message.substr(beginning.size());
    const auto end = std::ranges::find_if_not(rest, is_of_name);
    if (end == rest.end() || (*end != ' ' && *end != ':' && *end != '#')) return {};
    return rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
  }
  return {};
}

}  // namespace peeper::daemon
