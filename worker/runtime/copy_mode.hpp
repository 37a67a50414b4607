// The journal in copy mode: before each message the pre-images of all used heap pages, and while it
// runs those of the pages that a growing heap is about to use.
//
// Right for a heap of some dozens of pages (0.04 µs a page); protecting the pages and saving only
// what is written will stand beside it for larger ones.
//
// Owner: Heap. A page is saved once a transaction: a prefix of the heap, and single pages above it.
#pragma once

#include <algorithm>
#include <vector>

#include "common/segment/journal.hpp"

namespace peeper::worker {

class CopyMode {
 public:
  explicit CopyMode(segment::Journal& journal) : journal_(journal) {}

  // The journal has begun a transaction: save the first `pages` pages.
  void begin(std::uint64_t pages) {
    prefix_ = 0;
    singles_.clear();
    save_up_to(pages);
  }

  void save_up_to(std::uint64_t pages) {
    while (prefix_ < pages) {
      std::uint64_t end = pages;
      for (const std::uint64_t single : singles_)
        if (single >= prefix_) end = std::min(end, single);
      journal_.save(prefix_, end - prefix_);
      prefix_ = end;
      if (prefix_ < pages) ++prefix_;  // a single page: already saved
    }
  }

  void save_single(std::uint64_t page) {
    if (page < prefix_ || std::find(singles_.begin(), singles_.end(), page) != singles_.end())
      return;
    journal_.save(page, 1);
    singles_.push_back(page);
  }

 private:
  segment::Journal& journal_;
  std::uint64_t prefix_ = 0;
  std::vector<std::uint64_t> singles_;  // the heap's last page; one more for each growth
};

}  // namespace peeper::worker
