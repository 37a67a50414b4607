// The keeper's work: it holds one server's segment and recovers it when the daemon asks.
//
// One thread, blocking on the control socket; nothing to do while the worker is well. It trusts
// neither the segment's contents nor the order of the daemon's requests.
#pragma once

#include <sys/types.h>

#include "common/launch.hpp"
#include "common/result.hpp"
#include "common/segment/client_channels.hpp"
#include "common/segment/segment.hpp"
#include "common/unique_fd.hpp"

namespace peeper::keeper {

class Keeper {
 public:
  // `state_bytes`: the limit the heap is to have, at least.
  Keeper(UniqueFd control, segment::Segment segment, std::uint64_t state_bytes);

  // Until the daemon says stop or is gone; then the worker goes first. Returns the exit status.
  int run();

 private:
  // Blocks until no worker can write any more, then rolls back, gives the heap the limit it is to
  // have, settles, and lets the daemon's next worker start. On failure no worker can.
  Result<launch::ToDaemon> recover(const launch::ToKeeper& request);
  void end_worker();

  UniqueFd control_;
  segment::Segment segment_;
  std::uint64_t state_bytes_;
  pid_t daemon_;
  segment::ClientChannels clients_;
  UniqueFd worker_;  // pidfd of the one that runs; none: there is none, or it was not told
};

// Tells the daemon what went wrong, before there is a Keeper or when it gives up.
void report_failure(int control, const Failure& failure);

}  // namespace peeper::keeper
