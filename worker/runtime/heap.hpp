// The heap of a server: Boost.Interprocess's allocator over the heap part of the segment.
//
//   offset 0     HeapRoot
//   offset 1024  segment manager, then what it gave out, then free memory up to extent_bytes
//
// The allocator's own metadata lies inside, so a rollback rolls it back too: PageGuard sees its
// writes as it sees the callbacks'. Owner: Runtime. Thread: the callback thread. What writes
// happens inside a transaction.
#pragma once

#include <boost/interprocess/indexes/null_index.hpp>
#include <boost/interprocess/managed_external_buffer.hpp>
#include <boost/interprocess/mem_algo/rbtree_best_fit.hpp>
#include <boost/interprocess/sync/mutex_family.hpp>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <string>

#include "common/segment/segment.hpp"
#include "worker/runtime/out_of_memory.hpp"
#include "worker/runtime/page_guard.hpp"

namespace peeper::worker {

// What State a heap holds. A part of the heap, so that it changes together with the State.
struct Fingerprint {
  std::uint64_t size;
  std::uint64_t alignment;
  std::uint64_t version;
  std::uint32_t name_bytes;
  std::uint32_t container_version;     // of the behaviour's containers: peeper's part
  std::uint32_t boost_version;         // and Boost's
  std::uint32_t worker_boost_version;  // of the heap's allocator and of Durable
  char name[464];                      // cut where longer
  std::uint32_t durable_version;       // kDurableVersion; 0 before there was one
  std::uint32_t reserved;
};

struct HeapRoot {
  std::uint64_t magic;
  std::uint64_t extent_bytes;  // of the heap that the allocator manages
  std::uint64_t used_end;      // nothing the allocator gave out lies beyond: the high water
  std::uint64_t state_offset;    // of the State, from the heap's start
  std::uint64_t durable_offset;  // of the Durable
  std::uint64_t reserved[3];
  Fingerprint fingerprint;
};
static_assert(sizeof(Fingerprint) == 512 && sizeof(HeapRoot) == 576);

struct Durable;

// Of the segment manager, from the heap's start.
inline constexpr std::uint64_t kManagerOffset = 1024;

// A copy of the root, if `heap` is one that Heap::format() made: all of it that has memory. None:
// it isn't, or its root says what can't be.
[[nodiscard]] std::optional<HeapRoot> read_root(std::span<const std::byte> heap);

class Heap {
 public:
  Heap(segment::Segment& segment, PageGuard& guard) : segment_(segment), guard_(guard) {}

  // First transaction only: makes an empty heap, with an empty Durable.
  void format();
  // Is this a heap that format() made? Checked at every start but the first.
  [[nodiscard]] bool is_formatted() const;

  // Does the allocator's bookkeeping agree with itself, block by block? Changes nothing.
  [[nodiscard]] bool is_sane() const;

  // Throws OutOfStateMemory. `alignment` is a power of two.
  [[nodiscard]] void* allocate(std::size_t bytes, std::size_t alignment);
  void deallocate(void* memory) noexcept;

  [[nodiscard]] void* state() const { return start() + root().state_offset; }
  void set_state(void* state) {
    root().state_offset = static_cast<std::uint64_t>(static_cast<std::byte*>(state) - start());
  }

  [[nodiscard]] Durable& durable() const {
    return *reinterpret_cast<Durable*>(start() + root().durable_offset);
  }
  [[nodiscard]] Fingerprint& fingerprint() const { return root().fingerprint; }

  // Bytes given out, the allocator's own included.
  [[nodiscard]] std::uint64_t used() const {
    return root().extent_bytes - manager().get_free_memory();
  }
  [[nodiscard]] std::uint64_t high_water() const { return root().used_end; }

 private:
  // No mutex: one thread allocates. No index: nothing is looked up by name.
  using Buffer = boost::interprocess::basic_managed_external_buffer<
      char, boost::interprocess::rbtree_best_fit<boost::interprocess::null_mutex_family>,
      boost::interprocess::null_index>;

  [[nodiscard]] std::byte* start() const { return segment_.heap().data(); }
  [[nodiscard]] HeapRoot& root() const { return *reinterpret_cast<HeapRoot*>(start()); }
  [[nodiscard]] bool blocks_are_whole() const;
  [[nodiscard]] Buffer::segment_manager& manager() const {
    return *reinterpret_cast<Buffer::segment_manager*>(start() + kManagerOffset);
  }
  // For a block that found no room. Throws OutOfStateMemory.
  void grow(std::uint64_t bytes, std::uint64_t alignment);

  segment::Segment& segment_;
  PageGuard& guard_;
};

}  // namespace peeper::worker
