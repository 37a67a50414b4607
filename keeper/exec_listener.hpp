// The listener `exec:PROGRAM`: a program that is started for each event and gets it as one JSON
// document on its standard input. It is waited for. One that takes longer than the limit is killed,
// with what it has started. What fails is logged.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "keeper/event.hpp"

namespace peeper::keeper {

// {"event":"changed","server":…,"sequence":…,"changes":…,"old":…,"state":…}, or
// {"event":"terminated","server":…,"sequence":…,"reason":…,"state":…}, and a line's end. Pure.
[[nodiscard]] std::string event_document(const StateEvent& event);

class ExecListener final : public EventListener {
 public:
  using Limit = std::optional<std::chrono::milliseconds>;  // none: as long as it likes

  // Not Boost.Process: the child has to begin with no signal blocked, in a group of its own and
  // without our descriptors, and to wait for it takes no loop.
  ExecListener(std::string program, Limit limit)
      : program_(std::move(program)), limit_(limit) {}
  void hear(const StateEvent& event) override;
  [[nodiscard]] bool wants_text() const override { return true; }
  [[nodiscard]] bool keeps_time() const override { return true; }

 private:
  const std::string program_;
  const Limit limit_;
};

}  // namespace peeper::keeper
