#include "daemon/state_event.hpp"

#include <algorithm>

#include "daemon/reply_text.hpp"

namespace peeper::daemon {
namespace {

bool is_error(const std::string& value) { return value.starts_with('-') || value.starts_with('!'); }

}  // namespace

std::optional<StateEvent> StateAudience::see(const StateSight& sight) {
  if (!last_) {
    last_ = sight;
    return std::nullopt;
  }
  const bool is_shown_anew = last_->value != sight.value && *last_->value != *sight.value;
  const bool is_hidden_change = is_error(*sight.value) && last_->changes != sight.changes;
  if (!is_shown_anew && !is_hidden_change) {
    last_->value = sight.value;  // the next time that is seen at once
    return std::nullopt;
  }
  StateEvent event;
  event.kind = StateEvent::Kind::kChanged;
  event.sequence = sight.sequence;
  // The worker counts a change a moment after its commit: what is told before is told once.
  const std::uint64_t changes = std::max(sight.changes, last_->changes + 1);
  event.changes = changes - last_->changes;
  event.old = last_->value;
  event.state = sight.value;
  last_ = sight;
  last_->changes = changes;
  return event;
}

std::string event_value(const StateEvent& event, std::string_view server, std::string_view time) {
  const bool is_change = event.kind == StateEvent::Kind::kChanged;
  MapValue map;
  map.text("event", is_change ? "changed" : "terminated")
      .text("time", time)
      .text("server", server)
      .number("sequence", static_cast<std::int64_t>(event.sequence));
  if (is_change)
    map.number("changes", static_cast<std::int64_t>(event.changes)).value("old", *event.old);
  else
    map.text("reason", event.reason);
  return map.value("state", *event.state).take();
}

}  // namespace peeper::daemon
