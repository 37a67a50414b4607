// The undo log: pre-images of the heap pages that the running transaction may have overwritten.
//
// Owner: whoever runs transactions (the worker; the keeper while there is none). An entry counts
// only once it is complete, and a page may be written only once its entry counts; against death
// that takes nothing but the order of the stores, so compiler fences stand where it matters.
// Bounded: one entry a heap page, for which reserve_heap() has set memory aside.
#pragma once

#include <atomic>
#include <cstring>

#include "common/check.hpp"
#include "common/segment/segment.hpp"

namespace peeper::segment {

// Keeps the compiler from moving a store across. Processors' own order doesn't matter here: who
// reads after a death sees all stores that came before it.
inline void compiler_fence() { std::atomic_signal_fence(std::memory_order_seq_cst); }

class Journal {
 public:
  explicit Journal(const Segment& segment)
      : head_(segment.control().journal),
        heap_(segment.heap()),
        index_(segment.journal_index()),
        pages_(segment.journal_pages()) {}

  // Forgets the entries of before, then belongs to `sequence`: in this order, so that old entries
  // never pass for new ones.
  void begin(std::uint64_t sequence) {
    count_ = 0;
    head_.count.store(0, std::memory_order_relaxed);
    compiler_fence();
    head_.sequence.store(sequence, std::memory_order_relaxed);
    compiler_fence();
  }

  // Saves heap pages [first, first + count). Each page at most once a transaction.
  void save(std::uint64_t first, std::uint64_t count) {
    if (count == 0) return;
    PEEPER_CHECK(first + count <= index_.size() && count_ + count <= index_.size(),
                 "a journal entry for a page outside the heap");
    std::memcpy(pages_ + count_ * kPageBytes, heap_.data() + first * kPageBytes,
                count * kPageBytes);
    for (std::uint64_t i = 0; i < count; ++i)
      index_[count_ + i] = static_cast<std::uint32_t>(first + i);
    compiler_fence();
    count_ += count;
    head_.count.store(count_, std::memory_order_relaxed);
    compiler_fence();
  }

  // Puts the pre-images back, newest first; the entries stay. For the process that saved them; all
  // others recover (recovery.hpp).
  void restore() const {
    for (std::uint64_t i = count_; i-- > 0;)
      std::memcpy(heap_.data() + std::size_t{index_[i]} * kPageBytes, pages_ + i * kPageBytes,
                  kPageBytes);
    compiler_fence();
  }

 private:
  JournalHead& head_;
  std::span<std::byte> heap_;
  std::span<std::uint32_t> index_;
  std::byte* pages_;
  std::uint64_t count_ = 0;
};

}  // namespace peeper::segment
