// The daemon's ends of one server's rings: it writes the mailbox, reads the replies, and believes
// nothing the worker wrote.
//
// Owner: Server. Thread: the loop's. Nothing blocks; the only system call is a futex wake when the
// worker sleeps. Its own ends are kept here and only stored to shared memory, never read back.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string_view>

#include "common/result.hpp"
#include "common/segment/segment.hpp"

namespace peeper::daemon {

class Rings {
 public:
  // Only after a recovery: it has checked the ends. Begins a new epoch, so once a segment.
  explicit Rings(segment::Segment segment);

  enum class Push { kDone, kFull, kTooBig, kDamaged };
  // `request`: 0 if nobody waits for a reply.
  Push push(segment::MessageType type, std::uint64_t request,
            std::span<const std::string_view> strings);
  // After kFull: have the bell rung when the head moves. True if it already has.
  [[nodiscard]] bool want_room();

  enum class Drain { kEmpty, kMore, kDamaged };
  // Gives `take(request, value)` the replies there are, at most `most`. `value` is the worker's
  // memory still: copy it, check the copy.
  template <class Take>
  Drain drain(int most, Take take);
  // Have the bell rung at the next reply. False if there is one already.
  [[nodiscard]] bool arm();

  [[nodiscard]] std::size_t queued();
  [[nodiscard]] const segment::Segment& segment() const { return segment_; }

 private:
  bool refresh_head();
  void store_reply_head();

  segment::Segment segment_;
  std::uint32_t epoch_;
  std::uint64_t tail_;        // of the mailbox
  std::uint64_t head_;        // of the mailbox, as last seen
  std::uint64_t reply_head_;
  std::deque<std::uint64_t> ends_;  // of the messages in the mailbox
};

template <class Take>
Rings::Drain Rings::drain(int most, Take take) {
  const segment::Ring& replies = segment_.replies();
  const std::uint64_t tail = segment_.control().replies.tail.load(std::memory_order_acquire);
  Drain result = Drain::kMore;
  for (; most > 0; --most) {
    const auto found = replies.find<segment::ReplyHead>(reply_head_, tail);
    if (found.status == found.kEmpty) {
      result = Drain::kEmpty;
      break;
    }
    if (found.status == found.kMalformed || found.head.value_bytes > found.body.size())
      return Drain::kDamaged;
    if (found.head.type == segment::ReplyType::kReply && found.head.epoch == epoch_)
      take(found.head.request,
           std::string_view{reinterpret_cast<const char*>(found.body.data()),
                            found.head.value_bytes});
    reply_head_ = found.position + found.head.bytes;
  }
  store_reply_head();
  return result;
}

}  // namespace peeper::daemon
