// A spare worker: the behaviour is loaded and the segment mapped; it waits to be the worker.
//
// While it waits it can't write the segment (its mapping is read-only) and holds no lock on it. So
// it may die, or be stopped, at any time without anybody minding. Thread: main.
#pragma once

#include <cstdint>

#include "common/segment/segment.hpp"

namespace peeper::worker {

// Blocks until the daemon says so on `line` (launch.hpp); from there on the segment may be written
// as in any worker. Returns the incarnation to be. Ends the process when the daemon has no use for
// it any more.
[[nodiscard]] std::uint32_t wait_as_standby(const segment::Segment& segment, int line);

}  // namespace peeper::worker
