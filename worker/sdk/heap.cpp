#include <stdexcept>

#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"
#include "peeper/detail/host.hpp"

namespace peeper::detail {

namespace {
// One a shared object: this file is linked into each behaviour, with hidden symbols.
const abi::Host* attached_host = nullptr;
}  // namespace

void attach(const abi::Host* host) noexcept { attached_host = host; }

void* allocate(std::size_t bytes, std::size_t alignment) {
  if (attached_host == nullptr) {
    throw std::logic_error(
        "peeper: no server heap in this process: containers of peeper:: can hold memory only in a "
        "server's callbacks, not in static objects or in programs that attached no heap");
  }
  return attached_host->allocate(bytes, alignment);
}

void deallocate(void* memory) noexcept {
  // Memory of a heap that is gone needs no freeing: only its owner outlived it.
  if (memory != nullptr && attached_host != nullptr) attached_host->deallocate(memory);
}

const abi::Host& host() {
  if (attached_host == nullptr) {
    throw std::logic_error(
        "peeper: this process is no server: only a server's callbacks can send messages, start "
        "timers or use the dictionary");
  }
  return *attached_host;
}

void touch(const void* memory, std::size_t bytes) {
  if (attached_host != nullptr) attached_host->touch(memory, bytes);
}

bool heap_is_sane() { return attached_host == nullptr || attached_host->heap_is_sane(); }

}  // namespace peeper::detail
