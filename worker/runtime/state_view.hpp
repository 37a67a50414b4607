// Shows the State in a heap that is no worker's: in a process of its own, since it runs the
// behaviour's code on what a worker left, which may be anything.
//
// Runs, of the behaviour, format_state, and if there is a format_status its object's constructor;
// no other callback. One a process: it attaches the SDK's containers. Thread: main, and only that.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "common/segment/segment.hpp"
#include "peeper/abi.hpp"

namespace peeper::worker {

class StateView {
 public:
  // All of it outlives this.
  StateView(const segment::Segment& segment, const abi::Behaviour& behaviour);

  // Is it a State, and not one of this behaviour's? So while its code is being changed.
  [[nodiscard]] bool is_foreign(std::span<const std::byte> heap) const;
  // What `path` names (empty: all) of the State in `heap`, or why it can't be shown, as one RESP3
  // value of at most limits::kInspectedBytes.
  [[nodiscard]] std::string show(std::span<const std::byte> heap, std::string_view path);

 private:
  const segment::Segment& segment_;
  const abi::Behaviour& behaviour_;
  void* object_ = nullptr;  // the behaviour's
};

[[nodiscard]] std::string error_value(const std::string& what);

}  // namespace peeper::worker
