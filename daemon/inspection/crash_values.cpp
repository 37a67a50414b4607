#include "daemon/inspection/crash_values.hpp"

#include <sys/wait.h>

#include <charconv>
#include <csignal>
#include <span>
#include <vector>

#include "daemon/values/reply_text.hpp"
#include "daemon/values/time_text.hpp"

namespace peeper::daemon {

namespace {

using segment::Channel;
using segment::Crash;
using segment::CrashCause;
using segment::Letter;
using segment::MessageHead;
using segment::MessageType;

std::string hexadecimal(std::uint64_t value) {
  char digits[20];
  const char* end = std::to_chars(digits, digits + sizeof digits, value, 16).ptr;
  return "0x" + std::string(digits, static_cast<std::size_t>(end - digits));
}

std::string_view word_for(MessageType type) {
  switch (type) {
    case MessageType::kCall: return "call";
    case MessageType::kCast: return "cast";
    case MessageType::kInfo: return "info";
    case MessageType::kAnswer: return "answer";
    case MessageType::kGetState: return "get_state";
    case MessageType::kReplaceState: return "replace_state";
  }
  return "unknown";
}

std::string sender_text(const MessageHead& message, Channel channel, const std::string& process,
                        const NameOfUid& name_of) {
  if (channel == Channel::kTimer) return "a timer";
  if (message.bytes == 0) return "";
  if (message.stream != 0) {
    const std::string name = name_of(message.stream);
    return name.empty() ? "a server that is not there any more" : "server " + name;
  }
  if (message.pid == 0) return "a client";
  std::string text = "client pid " + std::to_string(message.pid);
  if (!process.empty()) text += " (" + process + ")";
  return text;
}

void add_text_or_null(MapValue& map, std::string_view key, std::string_view text) {
  if (!text.empty()) {
    map.text(key, text);
    return;
  }
  std::string null;
  resp::append_null(null);
  map.value(key, null);
}

// Without the message's name, which is the first, and without a token, which is the last.
void add_arguments(MapValue& map, const MessageHead& message,
                   std::span<const std::string> strings) {
  const bool is_answer = message.type == MessageType::kAnswer;
  const bool has_token = (message.flags & segment::kHasToken) != 0 && message.strings > 1;
  const bool is_whole = strings.size() == message.strings;
  if (has_token && is_whole) {
    map.text("token", strings.back());
    strings = strings.first(strings.size() - 1);
  }
  if (!is_answer && !strings.empty()) strings = strings.subspan(1);
  std::string array;
  resp::append_array(array, strings.size());
  for (const std::string& text : strings) resp::append_bulk(array, text);
  map.value("arguments", array);
}

std::string backtrace_value(const std::vector<segment::CodePlace>& backtrace) {
  std::string array;
  resp::append_array(array, backtrace.size());
  for (const segment::CodePlace& place : backtrace) {
    MapValue frame;
    add_text_or_null(frame, "module", place.module);
    frame.text("offset", hexadecimal(place.offset)).boolean("exact", place.is_exact);
    array += frame.take();
  }
  return array;
}

std::string_view why_no_backtrace(const Crash& crash) {
  switch (crash.cause) {
    case CrashCause::kUnseen: return "nobody saw it, and the worker left no record";
    case CrashCause::kException: return "it is not known where this was thrown";
    case CrashCause::kExit: return "a process that exits leaves none";
    case CrashCause::kRefused: return "no callback ran";
    case CrashCause::kSignal:
    case CrashCause::kOom:
    case CrashCause::kHung: break;
  }
  if (crash.signal == SIGKILL) return "SIGKILL leaves a process no time for one";
  return "the worker could not take one";
}

std::string_view fate_of(segment::Verdict verdict) {
  switch (verdict) {
    case segment::Verdict::kNothing: return "";
    case segment::Verdict::kRunAgain: return "runs again";
    case segment::Verdict::kDrop: return "dropped";
  }
  return "";
}

// What was in flight.
void add_flight(MapValue& map, const Crash& crash, const NameOfUid& name_of) {
  const bool is_message = crash.message.bytes != 0;
  add_text_or_null(map, "in", crash.name);
  add_text_or_null(map, "channel", segment::word_for(crash.channel));
  add_text_or_null(map, "type", is_message ? word_for(crash.message.type) : "");
  add_text_or_null(map, "sender",
                   sender_text(crash.message, crash.channel, crash.sender, name_of));
  add_text_or_null(map, "fate", fate_of(crash.verdict));
}

}  // namespace

std::string crash_value(std::string_view server, const Crash& crash, std::uint64_t letter,
                        const NameOfUid& name_of, Detail detail) {
  MapValue map;
  map.text("server", server)
      .number("number", static_cast<std::int64_t>(crash.number))
      .text("time", time_text(crash.at_ns))
      .number("incarnation", crash.incarnation)
      .number("sequence", static_cast<std::int64_t>(crash.sequence))
      .text("cause", segment::word_for(crash.cause))
      .text("text", crash.text);
  add_text_or_null(map, "signal", crash.signal != 0 ? segment::signal_name(crash.signal) : "");
  add_text_or_null(map, "address", crash.has_address ? hexadecimal(crash.address) : "");
  const bool exited = crash.cause == CrashCause::kExit && WIFEXITED(crash.wait_status);
  if (exited) map.number("exit_status", WEXITSTATUS(crash.wait_status));
  add_flight(map, crash, name_of);
  map.number("same_place", crash.count)
      .number_or_null("dead_letter", static_cast<std::int64_t>(letter));
  if (detail == Detail::kLine) return map.take();
  if (crash.channel != Channel::kNone) map.number("attempt", crash.attempt);
  if (crash.message.bytes != 0) {
    map.number("message_bytes", crash.message.bytes);
    add_arguments(map, crash.message, crash.strings);
  }
  map.value("backtrace", backtrace_value(crash.backtrace));
  if (crash.backtrace.empty()) map.text("no_backtrace", why_no_backtrace(crash));
  return map.take();
}

std::string letter_value(std::string_view server, const Letter& letter, const NameOfUid& name_of,
                         Detail detail) {
  MapValue map;
  const bool is_answer = letter.message.type == MessageType::kAnswer;
  map.text("server", server)
      .number("number", static_cast<std::int64_t>(letter.number))
      .text("time", time_text(letter.at_ns))
      .text("cause", letter.cause)
      .text("type", word_for(letter.message.type))
      .text("message", is_answer ? "answer" : letter.strings.front())
      .text("sender", sender_text(letter.message, letter.channel, letter.sender, name_of))
      .number("bytes", letter.message.bytes);
  if (detail == Detail::kLine) return map.take();
  map.number("incarnation", letter.incarnation)
      .number("sequence", static_cast<std::int64_t>(letter.sequence));
  add_arguments(map, letter.message, letter.strings);
  return map.take();
}

}  // namespace peeper::daemon
