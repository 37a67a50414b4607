// The messages that a behaviour lists, for the daemon: peeper-worker --list-messages. In a process
// of its own, since loading a shared object runs the constructors of its global variables; nothing
// else of it runs, and no segment is needed.
#pragma once

#include <string>

#include "peeper/abi.hpp"

namespace peeper::worker {

// One RESP3 value: an array of maps, each with "kind" (call, cast, info), "message", "arguments"
// and "text", in the order of the list.
[[nodiscard]] std::string message_list(const abi::Behaviour& behaviour);

}  // namespace peeper::worker
