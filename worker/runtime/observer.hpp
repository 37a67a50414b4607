// Shows the State again and again, each time the daemon asks (launch.hpp): for those who want to be
// told of changes. As the inspector, in a process of its own, which runs the behaviour's code on
// what the worker left; but it keeps a copy of the heap, so that a worker that goes on committing
// is no hindrance, and need not answer.
//
// A large heap is looked at in place instead, where it is: then a worker has to leave as much time
// between two messages as showing takes.
// Thread: main, and only that.
#pragma once

#include <cstdint>

#include "common/segment/segment.hpp"
#include "peeper/abi.hpp"

namespace peeper::worker {

// Heaps with more memory than this aren't copied.
inline constexpr std::uint64_t kMostShadowBytes = 256 * 1024 * 1024;

// Until the daemon closes the socket `fd`. Returns the exit status: 0, or launch::kExitMoved where
// the segment was given another size and has to be opened anew. `segment`: opened with View::kLook;
// outlives the process.
[[nodiscard]] int observe(const segment::Segment& segment, const abi::Behaviour& behaviour, int fd);

}  // namespace peeper::worker
