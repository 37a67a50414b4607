// The undo log: pre-images of the heap pages that the running transaction may have overwritten.
//
// Owner: whoever runs transactions (the worker; the keeper while there is none). An entry counts
// only once it is complete, and a page may be written only once its entry counts; against death
// that takes nothing but the order of the stores, so compiler fences stand where it matters.
// Bounded: one entry a heap page. Memory for the first images is there from the beginning; for more
// it is taken when a message changes more, before anything is written there, and given back later.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>

#include "common/check.hpp"
#include "common/segment/plan.hpp"
#include "common/segment/segment.hpp"

namespace peeper::segment {

// Keeps the compiler from moving a store across. Processors' own order doesn't matter here: who
// reads after a death sees all stores that came before it.
inline void compiler_fence() { std::atomic_signal_fence(std::memory_order_seq_cst); }

// Keeps stores in their order also for who looks while they are made (picture.hpp), and loads in
// theirs for him. On x86 they are as it is, and ThreadSanitizer knows no fences of this kind.
inline void order_fence() {
#if defined(__x86_64__)
  compiler_fence();
#else
  std::atomic_thread_fence(std::memory_order_acq_rel);
#endif
}

// Who writes a page or puts its pre-image back says so, before those images may be forgotten: page
// by page, and block by block for who looks for them (shadow.hpp). False: there is no such page.
[[nodiscard]] inline bool sign_pages(std::span<Atomic64> page_writers,
                                     std::span<Atomic64> block_writers,
                                     std::span<const std::uint32_t> pages,
                                     std::uint64_t sequence) {
  for (const std::uint64_t page : pages) {
    if (page >= page_writers.size()) return false;
    page_writers[page].store(sequence, std::memory_order_relaxed);
    block_writers[page / kBlockPages].store(sequence, std::memory_order_relaxed);
  }
  return true;
}

class Journal {
 public:
  explicit Journal(const Segment& segment)
      : head_(segment.control().journal),
        heap_(segment.heap()),
        index_(segment.journal_index()),
        page_writers_(segment.page_writers()),
        block_writers_(segment.block_writers()),
        pages_(segment.journal_pages()),
        set_aside_(journal_set_aside(segment.plan()).bytes / kPageBytes),
        room_(set_aside_) {}

  // Forgets the entries of before, then belongs to `sequence`: in this order, so that old entries
  // never pass for new ones.
  void begin(std::uint64_t sequence) {
    forget();
    head_.sequence.store(sequence, std::memory_order_relaxed);
    order_fence();
  }

  // Memory for `count` images more. False: /dev/shm has none; nothing of the journal has changed.
  // Async-signal-safe. Needs Linux 5.14 (MADV_POPULATE_WRITE) for more than is set aside.
  [[nodiscard]] bool make_room(std::uint64_t count) {
    const std::uint64_t needed = count_ + count;
    if (needed <= room_) return true;
    if (needed > index_.size()) return false;
    // Few calls for many pages; where that is too much, no more than it takes.
    const std::uint64_t ample = std::min(index_.size(), std::max(needed, 2 * room_));
    return populate(ample) || populate(needed);
  }
  // Between transactions of a worker: the memory of what a large one, also of a worker before this
  // one, has left there, but for `keep` images.
  void give_back(std::uint64_t keep) {
    const std::uint64_t kept = std::min(std::max(keep, set_aside_), index_.size());
    if (kept == index_.size()) return;
    // The entries of a message that was rolled back, and will run again, still count: a recovery
    // before its begin() would take what is nothing any more for its pages.
    forget();
    ::madvise(pages_ + kept * kPageBytes, (index_.size() - kept) * kPageBytes, MADV_REMOVE);
    room_ = std::min(room_, kept);
  }
  // Images that have memory.
  [[nodiscard]] std::uint64_t room() const { return room_; }

  // Saves heap pages [first, first + count), for which there is room. Each page at most once a
  // transaction.
  void save(std::uint64_t first, std::uint64_t count) {
    if (count == 0) return;
    PEEPER_CHECK(first + count <= index_.size() && count_ + count <= room_,
                 "a journal entry for a page outside the heap");
    std::memcpy(pages_ + count_ * kPageBytes, heap_.data() + first * kPageBytes,
                count * kPageBytes);
    for (std::uint64_t i = 0; i < count; ++i)
      index_[count_ + i] = static_cast<std::uint32_t>(first + i);
    order_fence();
    count_ += count;
    head_.count.store(count_, std::memory_order_relaxed);
    order_fence();
  }

  // Before the commit of `sequence`: whose pages those are now.
  void sign(std::uint64_t sequence) const {
    PEEPER_CHECK(sign_pages(page_writers_, block_writers_, index_.first(count_), sequence),
                 "the journal was overwritten");
  }

  // Where in the images one isn't what its page is by now; none: nothing changed. Looked for at
  // `hint` first, since what changed in one message mostly does in the next; then in what was saved
  // last: pages saved before the callback ran may not have been written at all.
  [[nodiscard]] std::optional<std::uint64_t> find_change(std::uint64_t hint) const {
    const auto differs = [this](std::uint64_t at, std::uint64_t bytes) {
      const std::byte* page = heap_.data() + std::size_t{index_[at / kPageBytes]} * kPageBytes;
      return std::memcmp(pages_ + at, page + at % kPageBytes, bytes) != 0;
    };
    if (hint < count_ * kPageBytes && differs(hint, kLineBytes)) return hint;
    for (std::uint64_t i = count_; i-- != 0;) {
      std::uint64_t at = i * kPageBytes;
      if (!differs(at, kPageBytes)) continue;
      const std::uint64_t last = at + kPageBytes - kLineBytes;
      while (at != last && !differs(at, kLineBytes)) at += kLineBytes;
      return at;
    }
    return std::nullopt;
  }

  // Puts the pre-images back, newest first, and signs the pages as sign() does; the entries stay.
  // For the process that saved them; all others recover (recovery.hpp).
  void restore() const {
    for (std::uint64_t i = count_; i-- > 0;)
      std::memcpy(heap_.data() + std::size_t{index_[i]} * kPageBytes, pages_ + i * kPageBytes,
                  kPageBytes);
    order_fence();
    sign(head_.sequence.load(std::memory_order_relaxed));
    compiler_fence();
  }

 private:
  void forget() {
    head_.generation.store(head_.generation.load(std::memory_order_relaxed) + 1,
                           std::memory_order_relaxed);
    order_fence();
    count_ = 0;
    head_.count.store(0, std::memory_order_relaxed);
    order_fence();
  }

  // As a write would, but that a lack of memory is told instead of being a SIGBUS.
  bool populate(std::uint64_t pages) {
    if (::madvise(pages_ + room_ * kPageBytes, (pages - room_) * kPageBytes,
                  MADV_POPULATE_WRITE) != 0)
      return false;
    room_ = pages;
    return true;
  }

  static constexpr std::uint64_t kLineBytes = 64;  // of a processor's cache

  JournalHead& head_;
  std::span<std::byte> heap_;
  std::span<std::uint32_t> index_;
  std::span<Atomic64> page_writers_;
  std::span<Atomic64> block_writers_;
  std::byte* pages_;
  std::uint64_t set_aside_;  // images, of all those that have memory: room_
  std::uint64_t room_;
  std::uint64_t count_ = 0;
};

}  // namespace peeper::segment
