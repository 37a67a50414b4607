// A closed load through channels (common/client/channel.hpp), whose answers no descriptor tells of:
// they are looked for, and while none comes one sleeps.
#pragma once

#include <vector>

#include "common/client/channel.hpp"
#include "common/load/load.hpp"

namespace peeper::load {

// As carry() through a crowd, each channel a lane: until all requests are answered. `request` is
// sent on each. The channels' own timeout is how long one may go without an answer: an answer
// TIMEOUT is the load's end (ETIMEDOUT).
[[nodiscard]] Tally carry(std::vector<Channel>& channels, const Channel::Request& request,
                          const Load& load, const Progress& progress = {});

}  // namespace peeper::load
