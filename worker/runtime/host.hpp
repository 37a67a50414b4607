// The table of functions that a behaviour is handed (peeper/abi.hpp), over Services.
#pragma once

#include "peeper/abi.hpp"
#include "worker/runtime/services.hpp"

namespace peeper::worker {

// There is one heap and one callback thread a process, and so one Host. What is passed outlives the
// process.
struct HostFacts {
  std::string_view server;
  std::uint32_t incarnation;
};
[[nodiscard]] const abi::Host& make_host(Services& services, Heap& heap, PageGuard& guard,
                                         HostFacts facts);

}  // namespace peeper::worker
