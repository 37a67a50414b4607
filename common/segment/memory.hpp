// Memory of /dev/shm for the parts of a segment's file: what is reserved can't be missing later.
// Blocks for as long as the kernel takes to clear pages. Errors are sentences with the remedy.
#pragma once

#include <cstdint>
#include <string>

#include "common/result.hpp"
#include "common/segment/layout.hpp"
#include "common/segment/segment_id.hpp"

namespace peeper::segment {

// "3 MiB", rounded up; for people.
[[nodiscard]] std::string mib(std::uint64_t bytes);

// posix_fallocate, with the one failure people meet explained. After a failure parts of the extent
// may have memory.
[[nodiscard]] Result<void> reserve(int fd, const SegmentId& id, Extent extent);

// What belongs to the part [from, to) of the heap: that, and of its pages what the journal has
// beside their images.
struct HeapParts {
  Extent extents[4];
};
[[nodiscard]] HeapParts heap_parts(const Plan& plan, std::uint64_t from, std::uint64_t to);

// The part [from, to) of the heap, and what belongs to it. After a failure parts of it may have
// memory: see release_beyond().
[[nodiscard]] Result<void> reserve_heap_pages(int fd, const SegmentId& id, const Plan& plan,
                                              std::uint64_t from, std::uint64_t to);

// Gives back what the heap, and what belongs to it, hold beyond the heap's first `reserved` bytes.
// Can't fail in a way that matters: what stays is used when the heap grows.
void release_beyond(int fd, const Plan& plan, std::uint64_t reserved);

// Did it fail because memory was short, so that less of it may be had?
[[nodiscard]] bool is_short_of_memory(const Failure& failure);

}  // namespace peeper::segment
