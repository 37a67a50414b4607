// What a server's configuration makes of its worker's process: the daemon's part, before exec, and
// the words by which the worker is told of its own (worker/runtime/sandbox.hpp). Pure.
#pragma once

#include <cstdint>

#include "daemon/config/process.hpp"
#include "daemon/process/spawn.hpp"

namespace peeper::daemon {

// Workers have this much more than peeperd unless they are configured to have something else, so
// that they are killed first also where peeperd may not lower its own.
inline constexpr int kWorkerOomScoreAdj = 100;

// `own_oom_score_adj`: what peeperd was started with.
void apply(const config::ProcessSection& process, int own_oom_score_adj, LaunchSpec& spec);

// So much private memory more than limits.memory allows, where it does: for mappings of the heap that
// count as a whole.
void give_memory(std::uint64_t bytes, LaunchSpec& spec);

}  // namespace peeper::daemon
