#include "worker/runtime/standby.hpp"

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <span>

#include "common/check.hpp"
#include "common/launch.hpp"

namespace peeper::worker {
namespace {

// Of the heap, as much as is mapped beforehand: a small state whole, of a large one the part where
// the runtime keeps its own.
constexpr std::size_t kWarmBytes = std::size_t{1} << 20;

// Reading a page maps it, so that the first message doesn't wait for the kernel to do so.
void look_at(std::span<const std::byte> memory) {
  for (std::size_t at = 0; at < memory.size(); at += segment::kPageBytes)
    (void)*static_cast<const volatile std::byte*>(memory.data() + at);
}

void protect(const segment::Segment& segment, int protection) {
  PEEPER_CHECK(::mprotect(&segment.header(), segment.plan().total_bytes, protection) == 0,
               "a standby's mapping can't be protected");
}

}  // namespace

std::uint32_t wait_as_standby(const segment::Segment& segment, int line) {
  protect(segment, PROT_READ);
  const std::uint64_t reserved =
      segment.control().worker.heap_reserved.load(std::memory_order_relaxed);
  look_at({reinterpret_cast<const std::byte*>(&segment.header()), segment::kRingsOffset});
  look_at(segment.heap().first(std::min<std::uint64_t>({reserved, kWarmBytes,
                                                        segment.heap().size()})));
  launch::ToWorker packet{};
  ssize_t got = 0;
  do {
    got = ::recv(line, &packet, sizeof packet, 0);
  } while (got < 0 && errno == EINTR);
  if (got != sizeof packet || packet.order != launch::Order::kActivate) ::_exit(EXIT_SUCCESS);
  protect(segment, PROT_READ | PROT_WRITE);
  return packet.incarnation;
}

}  // namespace peeper::worker
