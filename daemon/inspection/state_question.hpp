// Somebody who waits for a server's state.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/delivery/calls.hpp"
#include "daemon/loop/instant.hpp"

namespace peeper::daemon {

struct StateQuestion {
  std::string path;  // into the state; empty: all of it
  ReplyTarget asker;
  Instant deadline;
  std::uint64_t request = 0;  // in the mailbox; 0: the worker isn't asked
  int still_looks = 0;        // in a row at which nothing had been committed since the last one
  int tries = 0;              // of an inspector, which saw too much change
  bool is_inspected = false;  // by the one that runs
};

}  // namespace peeper::daemon
