#include "daemon/rings.hpp"

#include <atomic>

#include "common/segment/futex.hpp"
#include "common/segment/message.hpp"

namespace peeper::daemon {

using segment::Control;
using segment::MessageHead;

Rings::Rings(segment::Segment segment) : segment_(std::move(segment)) {
  Control& control = segment_.control();
  epoch_ = control.replies.epoch.load(std::memory_order_relaxed) + 1;
  control.replies.epoch.store(epoch_, std::memory_order_release);
  tail_ = control.mailbox.tail.load(std::memory_order_relaxed);
  head_ = control.mailbox.head.load(std::memory_order_acquire);
  reply_head_ = control.replies.head.load(std::memory_order_relaxed);
  // What an earlier daemon's clients left behind.
  for (std::uint64_t position = head_; position != tail_;) {
    const auto found = segment_.mailbox().find<MessageHead>(position, tail_);
    if (found.status != found.kRecord) break;
    position = found.position + found.head.bytes;
    ends_.push_back(position);
  }
}

// False if the worker's end can't be true.
bool Rings::refresh_head() {
  const std::uint64_t head = segment_.control().mailbox.head.load(std::memory_order_acquire);
  if (head < head_ || head > tail_) return false;
  head_ = head;
  while (!ends_.empty() && ends_.front() <= head_) ends_.pop_front();
  return true;
}

Rings::Push Rings::push(segment::MessageType type, std::uint64_t request,
                        std::span<const std::string_view> strings) {
  const segment::Ring& mailbox = segment_.mailbox();
  const std::uint64_t bytes = segment::message_bytes(strings);
  if (bytes > segment::largest_record(mailbox.bytes())) return Push::kTooBig;
  auto place = segment::place_record(head_, tail_, mailbox.bytes(), bytes);
  if (!place) {
    if (!refresh_head()) return Push::kDamaged;
    place = segment::place_record(head_, tail_, mailbox.bytes(), bytes);
    if (!place) return Push::kFull;
  }
  mailbox.write_pad(tail_, place->pad);
  const MessageHead head{static_cast<std::uint32_t>(bytes), type, request, epoch_,
                         static_cast<std::uint32_t>(strings.size())};
  std::byte* record = mailbox.at(place->start);
  std::memcpy(record, &head, sizeof head);
  segment::write_strings(record + sizeof head, strings);
  tail_ = place->end;
  ends_.push_back(tail_);

  // The message is there before the tail says so; the worker sees one of tail and sleeping, we the
  // other (see Runtime::wait_for_message).
  segment::MailboxEnds& ends = segment_.control().mailbox;
  ends.tail.store(tail_, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (ends.sleeping.load(std::memory_order_relaxed) != 0) {
    ends.bell.fetch_add(1, std::memory_order_release);
    segment::futex_wake(ends.bell);
  }
  return Push::kDone;
}

bool Rings::want_room() {
  segment::MailboxEnds& ends = segment_.control().mailbox;
  ends.producer_waits.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return ends.head.load(std::memory_order_acquire) != head_;
}

void Rings::store_reply_head() {
  segment::ReplyEnds& ends = segment_.control().replies;
  ends.head.store(reply_head_, std::memory_order_release);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (ends.writer_waits.load(std::memory_order_relaxed) != 0) {
    ends.room.fetch_add(1, std::memory_order_release);
    segment::futex_wake(ends.room);
  }
}

bool Rings::arm() {
  segment::ReplyEnds& ends = segment_.control().replies;
  ends.armed.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return ends.tail.load(std::memory_order_acquire) == reply_head_;
}

std::size_t Rings::queued() {
  refresh_head();
  return ends_.size();
}

}  // namespace peeper::daemon
