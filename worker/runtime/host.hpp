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

// The same for a process that only looks at a State: it may read
// the dictionary, which is empty before show_dictionary(), and has no effects, as a format_status.
// heap_is_sane() doesn't look, and says yes.
[[nodiscard]] const abi::Host& make_looking_host(HostFacts facts);
void show_dictionary(const Durable* durable);  // nullptr: an empty one

}  // namespace peeper::worker
