// A second segment that takes over what a death leaves in the first, so that the one can be
// recovered and looked at while the other's worker stands still and then goes on.
//
// A process that dies between two machine instructions leaves memory as it is there. So recovering
// a copy after each instruction is the same as killing a fresh process at each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "common/segment/death.hpp"
#include "common/segment/segment.hpp"
#include "stage.hpp"

namespace peeper::test {

// One message's two outcomes, as far as a segment shows them: there is no third.
struct Sides {
  std::vector<std::byte> before;  // the heap, as long as its limit
  std::vector<std::byte> after;
  bool is_own = false;            // see take_own_commit()
  std::vector<std::byte> fixed;   // header and mailbox: neither recovery nor worker writes them
  std::uint64_t sequence = 0;     // of the last commit before
  std::uint64_t mailbox_head = 0;
  std::uint64_t mailbox_tail = 0;  // after the message, which is the last one
  std::uint64_t mailbox_head_after = 0;  // that, unless it is out of its turn
  std::string reply;               // if it happened
  std::string error;               // if it did not, although it had begun
};

// The heap: what is reserved of it, then zeros up to its limit.
std::vector<std::byte> heap_of(const segment::Segment& segment);
std::vector<std::byte> fixed_parts_of(const segment::Segment& segment);

// What a recovered segment shows of the message.
enum class Outcome {
  kNotBegun,   // it is the next one in the mailbox
  kDropped,    // begun and undone; its caller gets the error
  kCommitted,  // its caller gets the reply
};
struct Finding {
  Outcome outcome;
  std::string fault;  // empty: heap, mailbox, reply and sequence agree
};
// Does not take the replies. `segment` is recovered, no worker has started since.
Finding look_at(const segment::Segment& segment, const Sides& sides);

class Twin {
 public:
  explicit Twin(const Stage& stage);
  ~Twin();  // removes its segment
  Twin(const Twin&) = delete;
  Twin& operator=(const Twin&) = delete;

  // True if anything that a recovery could see has changed since the last time, or this is the
  // first.
  bool take_over();
  // Recovers what was taken over, in the twin, with the keeper's own functions.
  Finding recover(const segment::Death& death, const Sides& sides);
  // After that: header, control, rings and the heap that is reserved.
  [[nodiscard]] std::span<const std::byte> recovered() const;

 private:
  struct Part {
    std::uint64_t offset;
    std::uint64_t bytes;
  };
  [[nodiscard]] std::vector<Part> parts() const;

  const segment::Segment& original_;
  segment::SegmentId id_;
  segment::Segment segment_;
  std::vector<std::byte> taken_;  // by offset
};

}  // namespace peeper::test
