#include "worker/runtime/heap.hpp"

#include <algorithm>

#include "common/check.hpp"
#include "worker/runtime/durable.hpp"

namespace peeper::worker {
namespace {

using segment::kPageBytes;

constexpr std::uint64_t kRootMagic = 0x7061'6548'7065'6550;  // "PeepHeap"

// What a block may need beyond its own bytes: the allocator's headers.
constexpr std::uint64_t kOverhead = 256;

}  // namespace

bool Heap::is_formatted() const {
  const HeapRoot& r = root();
  const std::uint64_t reserved =
      segment_.control().worker.heap_reserved.load(std::memory_order_relaxed);
  return r.magic == kRootMagic && r.extent_bytes <= reserved && r.used_end <= r.extent_bytes &&
         r.state_offset >= kManagerOffset && r.state_offset < r.extent_bytes &&
         r.durable_offset >= kManagerOffset && r.durable_offset < r.extent_bytes &&
         r.extent_bytes % kPageBytes == 0;
}

void Heap::format() {
  const std::uint64_t extent =
      segment_.control().worker.heap_reserved.load(std::memory_order_relaxed);
  const Buffer buffer{boost::interprocess::create_only, start() + kManagerOffset,
                      extent - kManagerOffset};
  root() = {kRootMagic, extent, extent - buffer.get_free_memory(), 0, 0, {}, {}};
  void* durable = allocate(sizeof(Durable), alignof(Durable));
  ::new (durable) Durable{};
  root().durable_offset = static_cast<std::uint64_t>(static_cast<std::byte*>(durable) - start());
}

void* Heap::allocate(std::size_t bytes, std::size_t alignment) {
  const auto take = [&]() -> void* {
    if (alignment <= alignof(std::max_align_t)) return manager().allocate(bytes, std::nothrow);
    return manager().allocate_aligned(bytes, alignment, std::nothrow);
  };
  void* memory = take();
  if (memory == nullptr) {
    if (bytes > segment_.heap().size()) grow(bytes);  // throws, before a sum can wrap
    grow(bytes + alignment + kOverhead);
    memory = take();
    PEEPER_CHECK(memory != nullptr, "a grown heap has no room");
  }
  const auto end =
      static_cast<std::uint64_t>(static_cast<std::byte*>(memory) - start()) + bytes;
  if (end > root().used_end) root().used_end = end;
  return memory;
}

void Heap::deallocate(void* memory) noexcept { manager().deallocate(memory); }

void Heap::grow(std::size_t bytes) {
  const std::uint64_t extent = root().extent_bytes;
  const std::uint64_t limit = segment_.heap().size();
  const auto refuse = [&] {
    throw OutOfStateMemory("out of state memory: state_size = " + std::to_string(limit) +
                           " bytes is reached (raise it)");
  };
  if (bytes > limit) refuse();
  const auto next = segment::next_heap_size(extent, extent + bytes, limit);
  if (!next) refuse();
  if (const auto kept = segment_.reserve_heap(*next); !kept)
    throw OutOfStateMemory("out of state memory: " + kept.error().what);
  guard_.extend(*next);
  manager().grow(*next - extent);
  root().extent_bytes = *next;
}

}  // namespace peeper::worker
