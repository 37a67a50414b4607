// A moment, as everything in the daemon takes it as an argument: of the clock that never jumps.
#pragma once

#include <chrono>

namespace peeper::daemon {

using Instant = std::chrono::steady_clock::time_point;

}  // namespace peeper::daemon
