#include "common/segment/memory.hpp"

#include <fcntl.h>
#include <sys/statvfs.h>

#include <cerrno>

#include "common/segment/plan.hpp"

namespace peeper::segment {
std::string mib(std::uint64_t bytes) { return std::to_string((bytes + 1048575) >> 20) + " MiB"; }

HeapParts heap_parts(const Plan& plan, std::uint64_t from, std::uint64_t to) {
  constexpr std::uint64_t kNumber = sizeof(std::uint32_t);
  constexpr std::uint64_t kWriter = sizeof(std::uint64_t);
  const std::uint64_t first = from / kPageBytes;
  const std::uint64_t pages = (to - from) / kPageBytes;
  // A block belongs to the part that it begins in.
  const std::uint64_t first_block = blocks_of(from);
  return {{{plan.heap.offset + from, to - from},
           {plan.journal_index.offset + first * kNumber, pages * kNumber},
           {plan.page_writers.offset + first * kWriter, pages * kWriter},
           {plan.block_writers.offset + first_block * kWriter,
            (blocks_of(to) - first_block) * kWriter}}};
}

Result<void> reserve(int fd, const SegmentId& id, Extent extent) {
  if (extent.bytes == 0) return {};
  int error = 0;
  do {
    error = ::posix_fallocate(fd, static_cast<off_t>(extent.offset),
                              static_cast<off_t>(extent.bytes));
  } while (error == EINTR);
  if (error == 0) return {};
  struct statvfs space {};
  std::string free = "an unknown amount";
  if (::fstatvfs(fd, &space) == 0) free = mib(std::uint64_t{space.f_bavail} * space.f_bsize);
  return system_failure("no room in /dev/shm for server '" + id.server + "': it needs " +
                            mib(extent.bytes) + " more and " + free +
                            " are free; make room there (df -h /dev/shm) or lower state_size",
                        error);
}

Result<void> reserve_heap_pages(int fd, const SegmentId& id, const Plan& plan, std::uint64_t from,
                                std::uint64_t to) {
  for (const Extent& part : heap_parts(plan, from, to).extents)
    if (const auto kept = reserve(fd, id, part); !kept) return kept;
  return {};
}

void release_beyond(int fd, const Plan& plan, std::uint64_t reserved) {
  for (const Extent& part : heap_parts(plan, reserved, plan.heap.bytes).extents) {
    // The page that the reserved part ends in stays.
    const std::uint64_t begin = page_up(part.offset);
    const std::uint64_t end = page_up(part.offset + part.bytes);
    if (begin >= end) continue;
    [[maybe_unused]] const int punched =
        ::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                    static_cast<off_t>(end - begin));
  }
}

bool is_short_of_memory(const Failure& failure) {
  return failure.system_error == ENOSPC || failure.system_error == ENOMEM ||
         failure.system_error == EFBIG;
}

}  // namespace peeper::segment
