// Sees to it that a heap page's pre-image is in the journal before the page is written.
//
// The heap is read-only. The first write to a page faults; on_fault() saves the page, makes it
// writable and lets the write go on. After the message the page is protected again. Pages that are
// written often are hot (hot_pages.hpp): copied before each message instead, and writable until the
// guard rests.
//
// What of the heap has no memory yet is inaccessible. Owner: Runtime, for the life of the process.
// Thread: the callback thread, which makes it; on_fault() in a signal handler on it, so it allocates nothing and
// takes no lock.
#pragma once

#include <pthread.h>
#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/check.hpp"
#include "common/segment/journal.hpp"
#include "common/segment/segment.hpp"
#include "worker/runtime/hot_pages.hpp"

namespace peeper::worker {

// An array as long as the heap has pages, all zero, that takes memory only where it is written.
template <class T>
class SparseArray {
 public:
  explicit SparseArray(std::size_t size) : size_(size) {
    void* memory = ::mmap(nullptr, size * sizeof(T), PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    PEEPER_CHECK(memory != MAP_FAILED, "no address space for the pages' history");
    data_ = static_cast<T*>(memory);
  }
  SparseArray(const SparseArray&) = delete;
  SparseArray& operator=(const SparseArray&) = delete;
  ~SparseArray() { ::munmap(data_, size_ * sizeof(T)); }
  T& operator[](std::size_t index) { return data_[index]; }

 private:
  T* data_;
  std::size_t size_;
};

// Copies of a page that cost as much as one fault, on this machine, now. Takes less than 0.2 ms, and
// SIGSEGV for as long: before there is another thread that might fault.
[[nodiscard]] std::uint32_t measure_break_even();

class PageGuard {
 public:
  // Protects all of the heap.
  PageGuard(const segment::Segment& segment, segment::Journal& journal, std::uint32_t break_even);

  enum class Access { kWrites, kReadsOnly };
  // After Transaction::begin(). With kReadsOnly nothing is copied, and a write is a real fault.
  void begin_message(Access access);
  // In a message that only read until now: from here on it may write. Throws OutOfStateMemory where
  // there is no memory for the hot pages' pre-images.
  void begin_writing();
  // Before the commit. From here on the first write to a page is a real fault.
  void seal() { open_ = false; }
  // After the commit: protects again what the message opened.
  void end_message();

  // Between messages, when none is expected soon: hot pages too are read-only until the next message
  // that may write, so that a stray write to one is a real fault. One system call, and later one for
  // each run of hot pages. What a large message has taken for its pre-images is given back.
  void rest();
  [[nodiscard]] bool rests() const { return rests_; }

  // A write to `address` was refused. True: the page is saved and writable now, the write may go
  // on. False: it isn't ours to allow.
  [[nodiscard]] bool on_fault(const void* address);
  // It was ours, and there was no memory for the page's pre-image.
  [[nodiscard]] bool lacks_room() const { return lacks_room_; }

  // As if each page of [memory, memory + bytes) had been written: for a buffer that is handed to a
  // system call, which would fail with EFAULT. Ignores what isn't heap, and any thread but its own:
  // no other one may make a page writable, also not while this one dies.
  void touch(const void* memory, std::size_t bytes);

  // The heap's memory has grown to `bytes`.
  void extend(std::uint64_t bytes);

  struct Counts {
    std::uint64_t faults = 0;
    std::uint64_t copied = 0;  // pages, before messages
  };
  [[nodiscard]] const Counts& counts() const { return counts_; }
  [[nodiscard]] std::size_t hot_pages() const { return hot_.pages().size(); }

 private:
  struct Run {
    std::uint32_t first;
    std::uint32_t count;
  };

  bool open(std::uint64_t first, std::uint64_t count);
  bool open_run(std::uint64_t first, std::uint64_t count);
  bool protect(std::uint64_t first, std::uint64_t count, int protection) const;
  void wake();

  const pthread_t thread_ = ::pthread_self();
  std::span<std::byte> heap_;
  segment::Journal& journal_;
  HotPages hot_;
  SparseArray<PageHistory> history_;
  SparseArray<std::uint8_t> writable_;  // by page
  SparseArray<Run> opened_;             // in this message; single pages first, then blocks
  std::uint64_t opened_count_ = 0;
  std::uint64_t reserved_pages_;
  std::uint64_t message_ = 0;  // of those that may write
  std::uint64_t faults_ = 0;  // in this message
  bool writing_ = false;      // a message that may write was begun and not ended
  bool open_ = false;         // it may still write
  bool rests_ = false;        // hot pages are read-only
  bool lacks_room_ = false;
  bool saving_ = false;       // a fault meanwhile, in a user's signal handler, is a real one
  Counts counts_;
};

}  // namespace peeper::worker
