// Where this process is, as frames that mean something when it is gone: file and offset. Names and
// lines are for others to find, from those files.
//
// Of a fault it is taken in the signal handler; of an exception where it is thrown, since nothing
// is left of that where it is caught: __cxa_throw is ours (backtrace.cpp), notes who called it, and
// goes on to the C++ library's. That costs a throw about as much again.
#pragma once

#include "common/segment/crash_layout.hpp"

namespace peeper::worker {

// Before a handler may need any of this: loads what unwinds. A standby does it while it waits.
void prepare_backtraces();

// What was interrupted.
struct Interrupted {
  std::uintptr_t instruction;
  std::uintptr_t stack;  // 0: not known
};
// For signal handlers: the frames from the interrupted one on. Allocates nothing and takes no lock;
// but on a stack that was overwritten it may fault itself, with only the first frame written. So
// what else there is to say comes before.
void capture_backtrace(segment::Backtrace& backtrace, Interrupted at);

// In a catch clause: keeps the frames of the throw, if it was this thread's last.
void keep_thrown();
// Those; none if there was nothing to keep.
void write_thrown(segment::Backtrace& backtrace);

}  // namespace peeper::worker
