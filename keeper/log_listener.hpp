// The listener `log`: one line an event, in peeperd's log.
#pragma once

#include <string>

#include "keeper/event.hpp"

namespace peeper::keeper {

// "sequence 17, 2 changes: value: 4 -> 5, items.3: added 1, and 7 more" Pure. As many differences
// as people read, each cut to a few words.
[[nodiscard]] std::string log_text(const StateEvent& event);

class LogListener final : public EventListener {
 public:
  void hear(const StateEvent& event) override;
};

}  // namespace peeper::keeper
