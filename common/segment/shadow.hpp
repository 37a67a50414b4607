// A copy of the heap that follows the commits, for who shows a State again and again while its
// worker goes on: once the copy is that of a commit, it stays so for as long as it is looked at.
//
// What refresh() copies is what was written since the last time, which the segment says page by
// page (Plan::page_writers, signed by each transaction before its commit, and by who undoes one). It
// copies until a round finds the same mark before and after (commit_mark.hpp). A round that doesn't
// was not in vain: the next one copies what was written since that one began, and is so much
// shorter, as when a running virtual machine is moved (Clark et al., Live Migration of Virtual
// Machines, NSDI 2005). The last round needs a gap between two messages as long as it takes, some
// microseconds for a page. A worker that leaves none can't be followed: refresh() says so.
//
// The worker neither waits nor knows. Memory: as much as the heap's pages that hold something.
// Owner: a process of its own. Thread: any one. Never blocks, but takes the time that copying
// takes.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "common/result.hpp"
#include "common/segment/commit_mark.hpp"
#include "common/segment/segment.hpp"

namespace peeper::segment {

class Shadow {
 public:
  // Of a segment opened with View::kLook, which outlives it.
  explicit Shadow(const Segment& segment) : segment_(segment) {}
  ~Shadow();
  Shadow(const Shadow&) = delete;
  Shadow& operator=(const Shadow&) = delete;

  using Clock = std::chrono::steady_clock;
  // The last commit. EAGAIN: there was no gap in some rounds, or until then, but for the round that
  // was under way. Other failures are sentences. After a failure the copy is of no commit, but the
  // next call goes on from there.
  [[nodiscard]] Result<void> refresh(Clock::time_point until = Clock::time_point::max());

  // After refresh(): the part of the heap that has memory.
  [[nodiscard]] std::span<const std::byte> heap() const { return copy_.first(bytes_); }
  [[nodiscard]] std::uint64_t sequence() const { return base_; }

 private:
  [[nodiscard]] Result<void> make_room();
  [[nodiscard]] Result<bool> copy_once();
  void find_written();
  void copy_page(std::uint64_t page);
  void distrust(std::uint64_t page);
  void trust_all();

  const Segment& segment_;
  std::span<std::byte> copy_;  // as large as the heap may become
  std::uint64_t bytes_ = 0;    // of the heap that had memory
  // All pages but the distrusted ones are as of this commit, if they bear no later signature and
  // nobody who has not signed yet has written them.
  std::uint64_t base_ = 0;
  std::vector<std::uint64_t> distrusted_;
  std::vector<bool> is_distrusted_;
};

}  // namespace peeper::segment
