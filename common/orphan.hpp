// What becomes of a child of the daemon when that dies first.
//
// A child is launched with SIGKILL as its parent-death signal. outlive_daemon() replaces that by a
// time to finish in: the kernel sends SIGCONT, which a stopped process gets too; its handler sets a
// timer of the kernel's that ends the process by SIGKILL, whatever the process does by then.
// A child of the child has neither signal nor timer.
#pragma once

#include <sys/types.h>

#include <chrono>

namespace peeper {

// Once, before other code may have SIGCONT in mind. `on_gone` runs in a signal handler, once, when
// the daemon has gone. Where the kernel refuses the timer, all stays as it was: death at once.
void outlive_daemon(pid_t daemon, std::chrono::milliseconds grace, void (*on_gone)());

}  // namespace peeper
