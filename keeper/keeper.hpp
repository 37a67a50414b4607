// The keeper's work: it holds one server's segment and recovers it when the daemon asks.
//
// One thread, blocking on the control socket; nothing to do while the worker is well. It trusts
// neither the segment's contents nor the order of the daemon's requests. Listeners have a thread of
// their own, which is never waited for but at an orderly end.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "common/launch.hpp"
#include "common/result.hpp"
#include "common/segment/client_channels.hpp"
#include "common/segment/segment.hpp"
#include "common/unique_fd.hpp"
#include "keeper/listener_thread.hpp"

namespace peeper::keeper {

class Keeper {
 public:
  // `state_bytes`: the limit the heap is to have, at least.
  // `listeners`: none; or what outlives this.
  Keeper(UniqueFd control, segment::Segment segment, std::uint64_t state_bytes,
         ListenerThread* listeners);

  // Until the daemon says stop or is gone; then the worker goes first. Returns the exit status.
  int run();

 private:
  // Blocks until no worker can write any more, then rolls back, gives the heap the limit it is to
  // have, settles, and lets the daemon's next worker start. On failure no worker can.
  Result<launch::ToDaemon> recover(const launch::ToKeeper& request);
  // The same, with the segment not to be written before and after it: no listener's wild pointer
  // shall reach the state.
  Result<launch::ToDaemon> recover_beside_listeners(const launch::ToKeeper& request);
  [[nodiscard]] bool protect(segment::Segment::Writing writing) const;
  // Until there is something on the control socket.
  void await_request();
  void end_worker();

  UniqueFd control_;
  segment::Segment segment_;
  std::uint64_t state_bytes_;
  pid_t daemon_;
  segment::ClientChannels clients_;
  ListenerThread* listeners_;
  UniqueFd worker_;  // pidfd of the one that runs; none: there is none, or it was not told
};

// Tells the daemon what went wrong, before there is a Keeper or when it gives up.
void report_failure(int control, const Failure& failure);
// From any thread.
void report_failed_listener(int control, std::size_t number, const std::string& why);

}  // namespace peeper::keeper
