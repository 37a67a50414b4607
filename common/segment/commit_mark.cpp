#include "common/segment/commit_mark.hpp"

#include <cerrno>
#include <string>

#include "common/segment/journal.hpp"

namespace peeper::segment {

CommitMark look_at_commit(const Segment& segment) {
  order_fence();  // what was read before was read before this
  const Control& control = segment.control();
  CommitMark mark;
  mark.committed = control.committed.load(std::memory_order_acquire);
  mark.generation = control.journal.generation.load(std::memory_order_acquire);
  mark.journal = control.journal.sequence.load(std::memory_order_acquire);
  mark.count = control.journal.count.load(std::memory_order_acquire);
  return mark;
}

Failure damaged(const Segment& segment, const char* what) {
  return {"segment " + segment.id().path() + " of server '" + segment.id().server +
              "' is damaged: " + what,
          0};
}

Failure moved(const Segment& segment) {
  return {"the State of server '" + segment.id().server + "' changes all the while", EAGAIN};
}

Result<void> check_commit(const Segment& segment, const CommitMark& mark) {
  if (mark.committed == 0)
    return Failure{"server '" + segment.id().server +
                       "' has no State yet: its init has committed nothing",
                   ENODATA};
  const Slot slot = segment.control().slot[mark.committed & 1];
  if (slot.sequence != mark.committed)
    return damaged(segment, "the last commit's slot isn't its own");
  if (slot.begin_anew != 0)
    return Failure{"the State of server '" + segment.id().server +
                       "' was given up; init makes another at the next start",
                   ENODATA};
  // The keeper may have moved the journal since this was mapped.
  if (segment.header().current.load(std::memory_order_acquire) > 1)
    return damaged(segment, "its header");
  if (!segment.has_this_plan())
    return Failure{"segment " + segment.id().path() + " was enlarged meanwhile", EAGAIN};
  return {};
}

Result<std::uint64_t> heap_with_memory(const Segment& segment) {
  const std::uint64_t bytes =
      segment.control().worker.heap_reserved.load(std::memory_order_acquire);
  if (bytes == 0 || bytes > segment.heap().size() || bytes % kPageBytes != 0)
    return damaged(segment, "more heap is reserved than there is");
  return bytes;
}

}  // namespace peeper::segment
