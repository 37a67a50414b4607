#include "daemon/inspection/trace_events.hpp"

#include <algorithm>

#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {
namespace {

std::string cut(std::string_view text) {
  std::string shown(text.substr(0, kTracedBytes));
  if (text.size() > kTracedBytes)
    shown.append("… (").append(std::to_string(text.size())).append(" bytes)");
  return shown;
}

}  // namespace

std::string trace_value(const TraceEvent& event) {
  MapValue map;
  map.text("time", event.time).text("server", event.server).text("event", event.event);
  if (!event.kind.empty()) map.text("kind", event.kind);
  if (!event.who.empty()) map.text("who", event.who);
  if (!event.strings.empty()) {
    map.text("message", cut(event.strings[0]));
    const auto arguments =
        event.strings.subspan(1, std::min(event.strings.size() - 1, kTracedArguments));
    std::string list;
    resp::append_array(list, arguments.size());
    for (const std::string_view argument : arguments) resp::append_bulk(list, cut(argument));
    map.value("arguments", list);
    map.number("arguments_left_out",
               static_cast<std::int64_t>(event.strings.size() - 1 - arguments.size()));
  }
  if (!event.value.empty()) {
    if (event.value.size() <= kTracedBytes)
      map.value("reply", event.value);
    else
      map.text("reply", "(" + std::to_string(event.value.size()) + " bytes)");
  }
  if (event.ns != 0) map.number("us", static_cast<std::int64_t>(event.ns / 1000));
  map.number("dropped", static_cast<std::int64_t>(event.dropped));
  return map.take();
}

}  // namespace peeper::daemon
