#include "worker/runtime/heap.hpp"

#include <algorithm>
#include <cstring>

#include "common/segment/memory.hpp"
#include "common/segment/plan.hpp"
#include "worker/runtime/durable.hpp"

namespace peeper::worker {
namespace {

using segment::kPageBytes;
using segment::page_up;

constexpr std::uint64_t kRootMagic = 0x7061'6548'7065'6550;  // "PeepHeap"

// What a block may need beyond its own bytes: the allocator's headers.
constexpr std::uint64_t kOverhead = 256;

// What lies before each block, given out or free: rbtree_best_fit's SizeHolder, which is private.
// Sizes are in units of the alignment, the head included. `previous` only counts where the block
// before is free.
struct BlockHead {
  std::uint64_t previous;
  std::uint64_t size : 62;
  std::uint64_t is_previous_taken : 1;
  std::uint64_t is_taken : 1;
};
static_assert(sizeof(BlockHead) == 16);

}  // namespace

std::optional<HeapRoot> read_root(std::span<const std::byte> heap) {
  if (heap.size() < kManagerOffset) return std::nullopt;
  HeapRoot root{};
  std::memcpy(&root, heap.data(), sizeof root);
  const auto has_room = [&root](std::uint64_t offset, std::uint64_t bytes) {
    return offset >= kManagerOffset && offset < root.extent_bytes &&
           bytes <= root.extent_bytes - offset;
  };
  const bool is_one = root.magic == kRootMagic && root.extent_bytes <= heap.size() &&
                      root.extent_bytes % kPageBytes == 0 && root.used_end <= root.extent_bytes &&
                      has_room(root.state_offset, root.fingerprint.size) &&
                      has_room(root.durable_offset, sizeof(Durable));
  if (!is_one) return std::nullopt;
  return root;
}

bool Heap::is_formatted() const {
  const std::uint64_t reserved =
      segment_.control().worker.heap_reserved.load(std::memory_order_relaxed);
  return reserved <= segment_.heap().size() && read_root(segment_.heap().first(reserved));
}

// The tree of the free blocks is Boost's to check. It trusts what it walks over, so the blocks come
// first.
bool Heap::is_sane() const {
  return is_formatted() && manager().get_size() == root().extent_bytes - kManagerOffset &&
         blocks_are_whole() && manager().check_sanity();
}

// From the first block to the one that marks the end, as Boost lays them.
bool Heap::blocks_are_whole() const {
  constexpr std::uint64_t kUnit = Buffer::memory_algorithm::Alignment;
  static_assert(kUnit == sizeof(BlockHead));
  const std::uint64_t first =
      (kManagerOffset + sizeof(Buffer::segment_manager) + kUnit - 1) / kUnit;
  const std::uint64_t end = root().extent_bytes / kUnit - 1;
  const auto head_at = [this](std::uint64_t unit) {
    BlockHead head{};
    std::memcpy(&head, start() + unit * kUnit, sizeof head);
    return head;
  };
  std::uint64_t free = 1;  // the end's own
  std::uint64_t size = 0;
  bool is_taken = true;
  std::uint64_t at = first;
  while (at < end) {
    const BlockHead head = head_at(at);
    if (head.size == 0 || head.size > end - at || (head.is_previous_taken != 0) != is_taken ||
        (!is_taken && head.previous != size))
      return false;
    size = head.size;
    is_taken = head.is_taken != 0;
    if (!is_taken) free += size;
    at += size;
  }
  const BlockHead last = head_at(end);
  return last.is_taken != 0 && last.size == end - first && (is_taken || last.previous == size) &&
         free * kUnit == manager().get_free_memory();
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
  while (memory == nullptr) {
    grow(bytes, alignment);
    memory = take();
  }
  const auto end =
      static_cast<std::uint64_t>(static_cast<std::byte*>(memory) - start()) + bytes;
  if (end > root().used_end) root().used_end = end;
  return memory;
}

void Heap::deallocate(void* memory) noexcept { manager().deallocate(memory); }

// By as much as is enough for sure, in the segment's usual steps. Where that is beyond the limit,
// or /dev/shm has no room for it, by less: what is free at the heap's end counts as well, and only
// the allocator knows how much that is, so the caller tries, and asks again.
void Heap::grow(std::uint64_t bytes, std::uint64_t alignment) {
  const std::uint64_t extent = root().extent_bytes;
  const std::uint64_t limit = segment_.heap().size();
  const std::uint64_t free = manager().get_free_memory();
  // Even if all that is free lay at the end. First, so that no sum below wraps around.
  const std::uint64_t least = bytes < free + kPageBytes ? kPageBytes : page_up(bytes - free);
  if (bytes > limit || least > limit - extent)
    throw OutOfStateMemory("out of state memory: state_size = " + std::to_string(limit) +
                           " bytes is reached (raise it)");
  const std::uint64_t enough = extent + bytes + alignment + kOverhead;
  std::uint64_t step = segment::next_heap_size(extent, enough, limit).value_or(limit) - extent;
  while (true) {
    const auto kept = segment_.reserve_heap(extent + step);
    if (kept) break;
    if (step <= least || !segment::is_short_of_memory(kept.error()))
      throw OutOfStateMemory("out of state memory: " + kept.error().what);
    step = std::max(least, page_up(step / 2));
  }
  guard_.extend(extent + step);
  manager().grow(step);
  root().extent_bytes = extent + step;
}

}  // namespace peeper::worker
