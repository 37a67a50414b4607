#include "daemon/inspection/debug.hpp"

#include <algorithm>

#include "common/clock.hpp"
#include "common/segment/death.hpp"
#include "daemon/values/time_text.hpp"

namespace peeper::daemon {
namespace {

// None: the behaviour doesn't get it.
std::string_view kind_of(segment::MessageType type) {
  switch (type) {
    case segment::MessageType::kCall: return "call";
    case segment::MessageType::kCast: return "cast";
    case segment::MessageType::kInfo: return "info";
    case segment::MessageType::kAnswer: return "answer";
    case segment::MessageType::kReplaceState: return "system";
    case segment::MessageType::kGetState: break;
  }
  return {};
}

// One value of RESP3 as it may stand in a line: a string or a number as itself, an error with its
// '-', a container as its bytes.
std::string value_text(std::string_view value) {
  value = value.substr(0, 2 * kDebugLineBytes);
  const std::size_t line_end = value.find("\r\n");
  if (value.empty() || line_end == value.npos) return std::string(value);
  switch (value.front()) {
    case '$':
    case '=':
    case '!': {
      std::string_view text = value.substr(line_end + 2);
      if (text.ends_with("\r\n")) text.remove_suffix(2);
      return "'" + std::string(text) + "'";
    }
    case '-': return std::string(value.substr(0, line_end));
    case '+':
    case ':':
    case ',':
    case '(': return std::string(value.substr(1, line_end - 1));
    case '_': return "null";
    case '#': return value.starts_with("#t") ? "true" : "false";
    default: {
      std::string text(value);
      std::erase(text, '\r');
      std::replace(text.begin(), text.end(), '\n', ' ');
      return text;
    }
  }
}

std::string bounded(std::string_view text) {
  if (text.size() <= kDebugLineBytes) return segment::printable(text, kDebugLineBytes);
  return segment::printable(text, kDebugLineBytes - 3) + "...";
}

}  // namespace

Debug::Debug(std::string server, std::span<const config::DebugOption> options, Print print, Tell tell)
    : server_(std::move(server)), print_(std::move(print)), tell_(std::move(tell)) {
  for (const config::DebugOption option : options) switch (option) {
      case config::DebugOption::kTrace: set_trace(Switch::kOn); break;
      case config::DebugOption::kLog: set_log(kDebugLogEvents); break;
      case config::DebugOption::kStatistics: set_statistics(Switch::kOn); break;
    }
}

void Debug::update_on() { on_ = wants_lines() || statistics_.has_value() || followed_; }

void Debug::set_followed(Switch to) {
  followed_ = to == Switch::kOn;
  if (!followed_) sample_ = {};
  update_on();
}

void Debug::tell(TraceEvent event, Time now) {
  if (!followed_ || !sample_.admits(now_ns())) return;
  const std::string time = time_text(now);
  event.time = time;
  event.server = server_;
  event.dropped = sample_.take_dropped();
  tell_(trace_value(event));
}

void Debug::set_trace(Switch to) {
  trace_ = to == Switch::kOn;
  update_on();
}

void Debug::set_statistics(Switch to, Time now) {
  if (to == Switch::kOff)
    statistics_.reset();
  else if (!statistics_)
    statistics_ = Statistics{now};
  update_on();
}

void Debug::set_log(std::size_t events) {
  log_events_ = std::min(events, kMostDebugLogEvents);
  while (log_.size() > log_events_) log_.pop_front();
  update_on();
}

void Debug::line(std::string text, Time now) {
  text = bounded(text);
  if (trace_) print_("*DBG* " + server_ + " " + text);
  if (log_events_ == 0) return;
  if (log_.size() == log_events_) log_.pop_front();
  log_.push_back(time_text(now) + " " + text);
}

void Debug::message_in(segment::MessageType type, std::span<const std::string_view> strings,
                       std::string_view who, Time now) {
  const std::string_view kind = kind_of(type);
  if (kind.empty()) return;
  if (statistics_) ++statistics_->messages_in;
  tell({.event = "got", .kind = kind, .who = who, .strings = strings}, now);
  if (!wants_lines()) return;
  std::string text = "got " + std::string(kind);
  // Who comes before the arguments, which may be cut.
  if (!who.empty()) text += " from " + std::string(who);
  text += ":";
  for (const std::string_view string : strings) {
    if (text.size() > kDebugLineBytes) break;
    text += " '" + std::string(string.substr(0, kDebugLineBytes)) + "'";
  }
  line(std::move(text), now);
}

void Debug::message_out(std::string_view value, std::string_view who, std::uint64_t ns, Time now) {
  if (statistics_) ++statistics_->messages_out;
  tell({.event = "replied", .who = who, .value = value, .ns = ns}, now);
  if (!wants_lines()) return;
  std::string text = "replied";
  if (!who.empty()) text += " to " + std::string(who);
  line(text + ": " + value_text(value), now);
}

void Debug::crashed(std::string_view cause, Time now) {
  if (statistics_) ++statistics_->crashes;
  const std::string event = "crashed: " + std::string(cause);
  tell({.event = event}, now);
  if (wants_lines()) line("crashed: " + std::string(cause), now);
}

void Debug::happened(std::string_view what, Time now) {
  tell({.event = what}, now);
  if (wants_lines()) line(std::string(what), now);
}

}  // namespace peeper::daemon
