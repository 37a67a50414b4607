#include "worker/runtime/heap.hpp"

#include <algorithm>

#include "common/check.hpp"

namespace peeper::worker {
namespace {

using segment::kPageBytes;

constexpr std::uint64_t kRootMagic = 0x7061'6548'7065'6550;  // "PeepHeap"

// How far beyond a block the allocator may write: the header of the free block behind it, with its
// tree hooks, and the alignment in between.
constexpr std::uint64_t kSlack = 256;

constexpr std::uint64_t pages_of(std::uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes;
}

}  // namespace

Heap::Heap(segment::Segment& segment, segment::Journal& journal)
    : segment_(segment), heap_(segment.heap()), copy_(journal) {}

bool Heap::is_formatted() const {
  const HeapRoot& r = root();
  const std::uint64_t reserved =
      segment_.control().worker.heap_reserved.load(std::memory_order_relaxed);
  return r.magic == kRootMagic && r.extent_bytes <= reserved && r.used_end <= r.extent_bytes &&
         r.state_offset >= kManagerOffset && r.state_offset < r.extent_bytes &&
         r.extent_bytes % kPageBytes == 0;
}

void Heap::format() {
  const std::uint64_t extent =
      segment_.control().worker.heap_reserved.load(std::memory_order_relaxed);
  copy_.begin(pages_of(kManagerOffset + sizeof(Buffer::segment_manager) + kSlack));
  copy_.save_single(extent / kPageBytes - 1);
  const Buffer buffer{boost::interprocess::create_only, heap_.data() + kManagerOffset,
                      extent - kManagerOffset};
  root() = {kRootMagic, extent, 0, 0};
  root().used_end = std::min(extent, extent - buffer.get_free_memory() + kSlack);
}

void Heap::begin_message() {
  // A wild write of an earlier message may have hit the root.
  PEEPER_CHECK(is_formatted(), "the heap's root was overwritten");
  copy_.begin(pages_of(root().used_end));
  copy_.save_single(root().extent_bytes / kPageBytes - 1);
}

void Heap::save_before_use(std::uint64_t end) {
  copy_.save_up_to(std::min(pages_of(end), root().extent_bytes / kPageBytes));
}

void* Heap::allocate(std::size_t bytes, std::size_t alignment) {
  const std::size_t wanted = bytes + alignment + kSlack;
  if (wanted < bytes || wanted > heap_.size()) grow(heap_.size() + 1);  // throws
  save_before_use(root().used_end + wanted);
  const auto take = [&]() -> void* {
    if (alignment <= alignof(std::max_align_t)) return manager().allocate(bytes, std::nothrow);
    return manager().allocate_aligned(bytes, alignment, std::nothrow);
  };
  void* memory = take();
  if (memory == nullptr) {
    grow(wanted);
    save_before_use(root().used_end + wanted);
    memory = take();
    PEEPER_CHECK(memory != nullptr, "a grown heap has no room");
  }
  const auto end =
      static_cast<std::uint64_t>(static_cast<std::byte*>(memory) - heap_.data()) + bytes + kSlack;
  root().used_end = std::min(std::max(root().used_end, end), root().extent_bytes);
  return memory;
}

void Heap::deallocate(void* memory) noexcept { manager().deallocate(memory); }

void Heap::grow(std::size_t bytes) {
  const std::uint64_t extent = root().extent_bytes;
  const auto limit = [&] {
    return "state_size = " + std::to_string(heap_.size()) + " bytes is reached";
  };
  if (bytes > heap_.size()) throw OutOfStateMemory("out of state memory: " + limit());
  const auto next = segment::next_heap_size(extent, extent + bytes, heap_.size());
  if (!next) throw OutOfStateMemory("out of state memory: " + limit());
  if (const auto kept = segment_.reserve_heap(*next); !kept)
    throw OutOfStateMemory("out of state memory: " + kept.error().what);
  copy_.save_single(*next / kPageBytes - 1);
  manager().grow(*next - extent);
  root().extent_bytes = *next;
}

}  // namespace peeper::worker
