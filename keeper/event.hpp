// One event as the keeper's listeners are told of it. Owner: the listener thread.
#pragma once

#include <boost/json.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace peeper::keeper {

struct StateEvent {
  enum class Kind { kChanged, kTerminated };

  Kind kind = Kind::kChanged;
  std::string server;
  std::uint64_t sequence = 0;
  std::uint64_t changes = 0;     // kChanged: 1, or more when it stands for several
  std::string reason;            // kTerminated
  boost::json::value old_state;  // kChanged
  boost::json::value state;

  // The states as JSON, made when first asked for.
  [[nodiscard]] std::string_view old_text() const { return text_of(old_state, old_text_); }
  [[nodiscard]] std::string_view state_text() const { return text_of(state, state_text_); }

 private:
  static std::string_view text_of(const boost::json::value& value,
                                  std::optional<std::string>& text) {
    if (!text) text = boost::json::serialize(value);
    return *text;
  }
  mutable std::optional<std::string> old_text_;
  mutable std::optional<std::string> state_text_;
};

// Who is told. Thread: the listener thread, from its making to its end. What it throws is logged by
// who calls it.
class EventListener {
 public:
  virtual ~EventListener() = default;
  virtual void hear(const StateEvent& event) = 0;
  // It takes the states as text.
  [[nodiscard]] virtual bool wants_text() const { return false; }
  // It sees to it itself that no call takes longer than `listener_timeout`.
  [[nodiscard]] virtual bool keeps_time() const { return false; }
};

}  // namespace peeper::keeper
