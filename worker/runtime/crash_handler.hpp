// What a worker does when a signal hits that is fatal, or would be: a first write to a protected
// heap page is the page guard's to allow; after anything else the worker says so in the segment's
// crash record and dies of that very signal, with its own address and its own core. It dies whether
// or not the fault would happen again, commits nothing from then on, and tells of one thread only:
// the first of those that crash at once.
//
// What dies on the callback thread gives up the segment before the kernel has torn down its memory:
// it makes all of it but the record read-only, completes the record, adds the backtrace, gives its
// claim back, rings the daemon's bell. In this order, so that killed or stopped between any two of
// these it is either a process that still holds its claim, or one that can't write. Not if the
// behaviour holds descriptors of its own (crash_handler.cpp says why), and not at a SIGKILL: then
// the claim goes with the process.
//
// The handler runs on a stack of its own (the callback's may be what overflowed), allocates
// nothing, takes no lock, and makes raw system calls only.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/segment/segment.hpp"
#include "worker/runtime/page_guard.hpp"

namespace peeper::worker {

// Once, before any behaviour code is loaded. `segment` outlives the process. `bell`: the daemon's
// eventfd.
void install_crash_handler(const segment::Segment& segment, std::uint32_t incarnation, int bell);

// From here on faults on the heap go to `guard` first: on this thread, which is the callback
// thread. Any other thread's are crashes. `guard` outlives the process.
void guard_heap(PageGuard& guard);

// The crash record of a death that is not a signal. Ordinary code only; exits at once, without
// destructors or atexit functions: nothing of the behaviour runs any more.
[[noreturn]] void die(segment::CrashKind kind, std::string_view text);

}  // namespace peeper::worker
