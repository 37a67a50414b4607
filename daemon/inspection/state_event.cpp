#include "daemon/inspection/state_event.hpp"

#include <algorithm>

#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {

bool is_error_text(std::string_view value) {
  return value.starts_with('-') || value.starts_with('!');
}

std::optional<StateEvent> StateAudience::see(const StateSight& sight) {
  StateEvent event;
  event.sequence = sight.sequence;
  event.state = sight.value;
  if (!last_) {
    last_ = sight;
    if (first_ == First::kIsNoNews) return std::nullopt;
    event.kind = StateEvent::Kind::kObserved;
    return event;
  }
  const bool is_shown_anew = last_->value != sight.value && *last_->value != *sight.value;
  const bool is_hidden_change = is_error_text(*sight.value) && sight.changes > last_->changes;
  if (!is_shown_anew && !is_hidden_change) {
    last_->value = sight.value;  // the next time that is seen at once
    return std::nullopt;
  }
  event.kind = StateEvent::Kind::kChanged;
  // The worker counts a change a moment after its commit: what is told before is told once.
  const std::uint64_t changes = std::max(sight.changes, last_->changes + 1);
  event.changes = changes - last_->changes;
  event.old = last_->value;
  last_ = sight;
  last_->changes = changes;
  return event;
}

std::string event_value(const StateEvent& event, std::string_view server, std::string_view time) {
  const auto begin = [&](std::string_view what) {
    MapValue map;
    map.text("event", what)
        .text("time", time)
        .text("server", server)
        .number("sequence", static_cast<std::int64_t>(event.sequence));
    return map;
  };
  MapValue map;
  switch (event.kind) {
    case StateEvent::Kind::kObserved: map = begin("observed"); break;
    case StateEvent::Kind::kChanged:
      map = begin("changed");
      map.number("changes", static_cast<std::int64_t>(event.changes)).value("old", *event.old);
      break;
    case StateEvent::Kind::kTerminated:
      map = begin("terminated");
      map.text("reason", event.reason);
      break;
  }
  return map.value("state", *event.state).take();
}

}  // namespace peeper::daemon
