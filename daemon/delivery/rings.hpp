// The daemon's ends of one server's rings: it writes the mailbox, reads replies and outbox, and
// believes nothing the worker wrote.
//
// Owner: Server. Thread: the loop's. Nothing blocks; the only system call is a futex wake when the
// worker sleeps. Its own ends are kept here and only stored to shared memory, never read back.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "common/segment/segment.hpp"

namespace peeper::daemon {

// What goes into a mailbox. The fields are those of segment::MessageHead.
struct Message {
  segment::MessageType type;
  std::uint64_t request = 0;  // 0 if nobody waits for a reply
  std::uint64_t stream = 0;   // 0: from a client
  std::uint64_t number = 0;
  std::uint32_t flags = 0;
  std::uint32_t pid = 0;      // of the client; 0: not known
  std::span<const std::string_view> strings;

  // The message's name and its arguments, for who reads a trace.
  [[nodiscard]] std::span<const std::string_view> without_token() const {
    const bool has_one = (flags & segment::kHasToken) != 0 && strings.size() > 1;
    return strings.first(strings.size() - (has_one ? 1 : 0));
  }
};

// What was found in an outbox.
struct Outgoing {
  segment::OutgoingType type;
  std::uint64_t reference;
  std::uint64_t target;
  std::uint64_t position;
  std::uint64_t end;  // of the record
  std::vector<std::string_view> strings;  // of a copy
};

class Rings {
 public:
  // Only after a recovery: it has checked the ends. Begins a new epoch, so once a segment.
  explicit Rings(segment::Segment segment);

  // --- Mailbox -----------------------------------------------------------------------------------
  enum class Push { kDone, kFull, kTooBig, kDamaged };
  Push push(const Message& message);
  // After one or more messages, before one sleeps: the worker may be asleep.
  void wake_worker();
  // After kFull: have the bell rung when the head moves. True if it already has.
  [[nodiscard]] bool want_room();
  [[nodiscard]] std::size_t queued();

  // --- Replies -----------------------------------------------------------------------------------
  enum class Drain { kEmpty, kMore, kDamaged };
  // Gives `take(request, value)` the replies there are, at most `most`. `value` is the worker's
  // memory still: copy it, check the copy.
  template <class Take>
  Drain drain(int most, Take take);

  // --- Outbox ------------------------------------------------------------------------------------
  // How far the worker has published. read_outgoing() goes no further.
  void look_at_outbox();
  enum class Read { kRecord, kEmpty, kDamaged };
  // The record at `position`, copied, then checked: its type is known and it has as many strings as
  // its type asks for, none of them beyond the record. They are valid until the next read.
  // `position`: where the outbox began, an earlier record's, or an earlier record's end.
  Read read_outgoing(std::uint64_t position, Outgoing& outgoing);
  // Where the outbox begins: all before has reached its receiver.
  [[nodiscard]] std::uint64_t outbox_head() const { return outbox_head_; }
  // Gives the worker the room before `head`, the end of a record.
  void free_outbox(std::uint64_t head);

  // Replies that drain() would find. As the worker says, and only that.
  [[nodiscard]] bool has_replies() const {
    return segment_.control().replies.tail.load(std::memory_order_acquire) != reply_head_;
  }
  // Until arm() the bell is not rung for replies and outgoing messages.
  void disarm() { segment_.control().replies.armed.store(0, std::memory_order_relaxed); }
  // Have the bell rung at the next reply or outgoing message. False if there is a reply already, or
  // a message since look_at_outbox().
  [[nodiscard]] bool arm();

  // Names this server's stream of messages; as it was when the segment was attached.
  [[nodiscard]] std::uint64_t uid() const { return uid_; }
  [[nodiscard]] const segment::Segment& segment() const { return segment_; }

 private:
  bool refresh_head();
  void count(std::uint64_t position);
  void store_reply_head();
  void wake_writer();

  segment::Segment segment_;
  std::uint64_t uid_;
  std::uint32_t epoch_;
  std::uint64_t tail_;        // of the mailbox
  std::uint64_t head_;        // of the mailbox, as last seen
  std::uint64_t reply_head_;
  std::uint64_t outbox_head_;
  std::uint64_t outbox_tail_;       // as last seen
  std::string record_;              // the copy

  // The message that begins at `position` is the mailbox's `number`th; one mark in so many.
  struct Mark {
    std::uint64_t position;
    std::uint64_t number;
  };
  static constexpr std::uint64_t kMessagesPerMark = 64;
  std::deque<Mark> marks_;      // those before the head are of no use: there others are written
  std::uint64_t pushed_ = 0;    // messages, since the segment was attached; with those found there
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
