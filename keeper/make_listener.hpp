// From what --listener says to the listener: "log", "statsd:HOST:PORT", "exec:PROGRAM", or the
// absolute path of a shared object. Blocks for as long as its loading takes.
#pragma once

#include <memory>
#include <string>

#include "common/result.hpp"
#include "keeper/event.hpp"
#include "keeper/exec_listener.hpp"

namespace peeper::keeper {

[[nodiscard]] Result<std::unique_ptr<EventListener>> make_listener(const std::string& spec,
                                                                   ExecListener::Limit limit);

}  // namespace peeper::keeper
