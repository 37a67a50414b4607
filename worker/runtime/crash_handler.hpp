// What a worker does when a fatal signal hits it: says so in the segment's crash record, then dies
// of that very signal, with its own address and its own core.
//
// The handler runs on a stack of its own (the callback's may be what overflowed), allocates
// nothing, takes no lock, and calls nothing but sigaction.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/segment/segment.hpp"

namespace peeper::worker {

// Once, before any behaviour code is loaded. `segment` outlives the process.
void install_crash_handler(const segment::Segment& segment, std::uint32_t incarnation);

// The crash record of a death that is not a signal. Ordinary code only; exits at once, without
// destructors or atexit functions: nothing of the behaviour runs any more.
[[noreturn]] void die(segment::CrashKind kind, std::string_view text);

}  // namespace peeper::worker
