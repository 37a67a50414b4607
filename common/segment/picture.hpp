// The heap as of the last commit, for who only looks: a worker may hang in the middle of a
// transaction meanwhile, die, be recovered, or go on and commit.
//
// The heap is mapped privately, and what the transaction under way has overwritten is put back from
// the journal, in that mapping only; nothing of the segment is written. All other pages are read in
// place, so taking a picture costs what that transaction has changed, not what the heap holds. In
// return whatever was read counts only if holds() says so afterwards: between take() and then
// nothing was committed, and nothing written of which take() had no pre-image. A picture that
// doesn't hold may show anything: torn containers, wild pointers. So the one who walks it must be
// allowed to die of it.
//
// Why that is enough: commit_mark.hpp.
//
// Owner: a process of its own. Thread: any one. Never blocks. Believes nothing in the segment: each
// number is read once, checked, used.
#pragma once

#include <boost/interprocess/mapped_region.hpp>
#include <cstddef>
#include <cstdint>
#include <span>

#include "common/result.hpp"
#include "common/segment/commit_mark.hpp"
#include "common/segment/segment.hpp"

namespace peeper::segment {

class Picture {
 public:
  // Of a segment opened with View::kLook, which outlives it.
  explicit Picture(const Segment& segment) : segment_(segment) {}

  // The last commit, in place of what was taken before; pointers into that are void. Fails with
  // EAGAIN when a commit came in between: take it again. Other failures are sentences: there is no
  // State yet, or the segment is damaged; they too count only if holds().
  [[nodiscard]] Result<void> take();
  // Is what was read since take() the State of that commit?
  [[nodiscard]] bool holds() const { return look_at_commit(segment_) == mark_; }

  // After take(): the part of the heap that has memory.
  [[nodiscard]] std::span<const std::byte> heap() const {
    return {static_cast<const std::byte*>(region_.get_address()), region_.get_size()};
  }
  [[nodiscard]] std::uint64_t sequence() const { return mark_.committed; }

 private:
  const Segment& segment_;
  CommitMark mark_;
  boost::interprocess::mapped_region region_;
};

}  // namespace peeper::segment
