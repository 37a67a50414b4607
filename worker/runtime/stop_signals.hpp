// How a worker is told to end after the message in hand: by SIGTERM, or by the daemon's death.
//
// The handlers set a flag and ring the mailbox's bell; a wait that is about to begin returns at
// once. Thread: main's, where the kernel prefers to run them.
#pragma once

#include <sys/types.h>

#include "common/segment/layout.hpp"

namespace peeper::worker {

// Once. `bell` outlives the process.
void install_stop_signals(segment::Atomic32& bell, pid_t daemon);

[[nodiscard]] bool is_to_stop();
// Then it is to stop as well, and has limits::kOrphanGrace before the kernel kills it.
[[nodiscard]] bool is_orphan();

}  // namespace peeper::worker
