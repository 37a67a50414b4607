#include "common/segment/picture.hpp"

#include <cerrno>
#include <cstring>
#include <string>

#include "common/segment/journal.hpp"

namespace peeper::segment {

Picture::Mark Picture::look() const {
  const Control& control = segment_.control();
  Mark mark;
  mark.committed = control.committed.load(std::memory_order_acquire);
  mark.generation = control.journal.generation.load(std::memory_order_acquire);
  mark.journal = control.journal.sequence.load(std::memory_order_acquire);
  mark.count = control.journal.count.load(std::memory_order_acquire);
  return mark;
}

bool Picture::holds() const {
  order_fence();
  return look() == mark_;
}

Failure Picture::damaged(const char* what) const {
  return {"segment " + segment_.id().path() + " of server '" + segment_.id().server +
              "' is damaged: " + what,
          0};
}

Result<void> Picture::take() {
  const Failure moved{"the State of server '" + segment_.id().server + "' changes all the while",
                      EAGAIN};
  region_ = {};
  mark_ = look();
  if (const auto checked = check_commit(); !checked) return holds() ? checked : moved;
  // After the count: what has a pre-image has memory.
  const std::uint64_t reserved =
      segment_.control().worker.heap_reserved.load(std::memory_order_acquire);
  if (reserved == 0 || reserved > segment_.heap().size() || reserved % kPageBytes != 0)
    return damaged("more heap is reserved than there is");
  auto mapped = segment_.map_heap_privately(reserved);
  if (!mapped) return mapped.error();
  region_ = *std::move(mapped);
  if (mark_.journal == mark_.committed + 1)
    if (const auto put = put_back(); !put) return holds() ? put : moved;
  if (!holds()) return moved;
  return {};
}

Result<void> Picture::check_commit() const {
  if (mark_.committed == 0)
    return Failure{"server '" + segment_.id().server +
                       "' has no State yet: its init has committed nothing",
                   0};
  const Slot slot = segment_.control().slot[mark_.committed & 1];
  if (slot.sequence != mark_.committed) return damaged("the last commit's slot isn't its own");
  if (slot.begin_anew != 0)
    return Failure{"the State of server '" + segment_.id().server +
                       "' was given up; init makes another at the next start",
                   0};
  // The keeper may have moved the journal since this was mapped.
  const std::uint64_t current = segment_.header().current.load(std::memory_order_acquire);
  if (current > 1) return damaged("its header");
  const Plan plan = segment_.header().plans[current];
  if (std::memcmp(&plan, &segment_.plan(), sizeof plan) != 0)
    return Failure{"segment " + segment_.id().path() + " was enlarged meanwhile", EAGAIN};
  return {};
}

// As a recovery does it, but into memory of our own. Newest first, so that of two images of a page
// the older one stays.
Result<void> Picture::put_back() const {
  const std::uint64_t pages = region_.get_size() / kPageBytes;
  if (mark_.count > pages) return damaged("the journal has more pages than the heap");
  auto* heap = static_cast<std::byte*>(region_.get_address());
  for (std::uint64_t i = mark_.count; i-- > 0;) {
    const std::uint64_t page = segment_.journal_index()[i];
    if (page >= pages) return damaged("the journal names a page out of range");
    std::memcpy(heap + page * kPageBytes, segment_.journal_pages() + i * kPageBytes, kPageBytes);
  }
  return {};
}

}  // namespace peeper::segment
