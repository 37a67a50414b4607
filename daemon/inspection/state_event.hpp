// What is told of a server's State: that it changed, or that its worker ended with it. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace peeper::daemon {

// One RESP3 value; an error says why it can't be shown. Shared, since it may be large.
using StateText = std::shared_ptr<const std::string>;

[[nodiscard]] bool is_error_text(std::string_view value);

// The State as of one commit.
struct StateSight {
  std::uint64_t sequence = 0;
  std::uint64_t changes = 0;  // that there were until then; grows
  StateText value;
};

struct StateEvent {
  enum class Kind {
    kObserved,  // it is observed from here on: whatever changes after this state is told
    kChanged,
    kTerminated,
  };
  Kind kind = Kind::kChanged;
  std::uint64_t sequence = 0;  // of `state`
  std::uint64_t changes = 0;   // kChanged: since the last event; beyond 1: coalesced
  StateText old;               // kChanged
  StateText state;
  std::string reason;          // kTerminated
};

// Somebody who is told of changes, at a pace of his own.
class StateAudience {
 public:
  enum class First { kIsTold, kIsNoNews };
  explicit StateAudience(First first) : first_(first) {}

  // Anew, with the next sight.
  void begin() { last_.reset(); }
  [[nodiscard]] bool has_begun() const { return last_.has_value(); }

  // What is news of it; the same sight once more is none. That the State is shown as before is
  // none, however often it was changed meanwhile; where it can't be shown, that it was changed is.
  [[nodiscard]] std::optional<StateEvent> see(const StateSight& sight);

 private:
  First first_;
  std::optional<StateSight> last_;  // that he was told
};

// As subscribers get it: one RESP3 map. `time`: as time_text() has it.
[[nodiscard]] std::string event_value(const StateEvent& event, std::string_view server,
                                      std::string_view time);

}  // namespace peeper::daemon
