// Shows the State as of the last commit without the worker: it may hang, be suspended, or be gone.
// In a process of its own, since it runs the behaviour's code on what the worker left, which may be
// anything; the daemon ends it if it takes too long. The segment is mapped read-only.
//
// Runs the constructors of the shared object's global variables and, if there is a format_status,
// of the behaviour object, as a worker's start does; handle_start it doesn't.
// Thread: main, and only that.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/segment/segment.hpp"
#include "peeper/abi.hpp"

namespace peeper::worker {

// For the rest of this process: no core dump, and no more private memory than an inspector of a
// heap of that limit needs, where the configuration has said nothing.
void limit_inspector(std::uint64_t heap_bytes);

// Writes what `path` names of the State, or why not, to `fd` as one RESP3 value. Returns the exit
// status: 0, or launch::kExitMoved when commits kept coming while it looked.
// `segment`: opened with View::kLook; outlives the process.
[[nodiscard]] int inspect(const segment::Segment& segment, const abi::Behaviour& behaviour,
                          std::string_view path, int fd);

// The same where it can't be looked at all. `why`: a sentence.
void answer_failure(int fd, const std::string& why);

}  // namespace peeper::worker
