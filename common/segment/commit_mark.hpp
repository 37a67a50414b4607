// The last commit, as who looks beside the worker finds it: a worker may be in the middle of a
// transaction meanwhile, die, be recovered, or go on and commit.
//
// What was read between two looks that found the same mark is the heap of that commit, if what the
// journal had at the first one is put back over it. A page is written only once its pre-image
// counts (journal.hpp), and entries are forgotten only after the generation has grown. So same
// commit, same generation and same count mean that all that was written since the commit had its
// pre-image among those, also if the worker died and the keeper rolled it back in between.
//
// Thread: any. Never blocks. Believes nothing in the segment: each number is read once, checked,
// used. Failures with EAGAIN: look again. The others are sentences, and count only if the mark is
// still the same; ENODATA says that nothing is wrong, there is no State.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "common/result.hpp"
#include "common/segment/segment.hpp"

namespace peeper::segment {

struct CommitMark {
  std::uint64_t committed = 0;
  std::uint64_t generation = 0;  // of the journal
  std::uint64_t journal = 0;     // whose pre-images it holds
  std::uint64_t count = 0;       // of those
  bool operator==(const CommitMark&) const = default;

  // A transaction that isn't committed may have written.
  [[nodiscard]] bool is_to_be_undone() const { return journal == committed + 1; }
};

[[nodiscard]] CommitMark look_at_commit(const Segment& segment);

// Is there a State as of that commit, and is this mapping still the segment's?
[[nodiscard]] Result<void> check_commit(const Segment& segment, const CommitMark& mark);

// Bytes of the heap that have memory. After the mark: what has a pre-image by then has memory.
[[nodiscard]] Result<std::uint64_t> heap_with_memory(const Segment& segment);

// Writes what the transaction under way has overwritten, as it was, into `heap`, a copy of the
// heap's beginning; newest first, so that of two images of a page the older one stays. Calls
// `on_page` with the number of each before it is written.
template <class OnPage>
[[nodiscard]] Result<void> put_back(const Segment& segment, const CommitMark& mark,
                                    std::span<std::byte> heap, OnPage on_page);

[[nodiscard]] Failure damaged(const Segment& segment, const char* what);
[[nodiscard]] Failure moved(const Segment& segment);

template <class OnPage>
Result<void> put_back(const Segment& segment, const CommitMark& mark, std::span<std::byte> heap,
                      OnPage on_page) {
  if (!mark.is_to_be_undone()) return {};
  const std::uint64_t pages = heap.size() / kPageBytes;
  if (mark.count > pages) return damaged(segment, "the journal has more pages than the heap");
  for (std::uint64_t i = mark.count; i-- > 0;) {
    const std::uint64_t page = segment.journal_index()[i];
    if (page >= pages) return damaged(segment, "the journal names a page out of range");
    on_page(page);
    std::memcpy(heap.data() + page * kPageBytes, segment.journal_pages() + i * kPageBytes,
                kPageBytes);
  }
  return {};
}

}  // namespace peeper::segment
