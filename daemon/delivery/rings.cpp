#include "daemon/delivery/rings.hpp"

#include <atomic>

#include "common/segment/futex.hpp"
#include "common/segment/message.hpp"

namespace peeper::daemon {

using segment::Control;
using segment::MessageHead;
using segment::OutgoingHead;
using segment::OutgoingType;

namespace {

// A copy that grew beyond this for a large record is given back after it.
constexpr std::size_t kKeptBytes = 256 * 1024;
constexpr std::size_t kKeptStrings = 16 * 1024;

// What a worker of ours writes; see OutgoingType.
bool is_possible(const Outgoing& outgoing) {
  switch (outgoing.type) {
    case OutgoingType::kCall: return outgoing.reference != 0 && outgoing.strings.size() >= 2;
    case OutgoingType::kCast:
    case OutgoingType::kInfo: return outgoing.strings.size() >= 2;
    case OutgoingType::kAnswer: return outgoing.reference != 0 && outgoing.strings.size() == 1;
    case OutgoingType::kPublish: return outgoing.strings.size() == 2;
  }
  return false;
}

}  // namespace

Rings::Rings(segment::Segment segment)
    : segment_(std::move(segment)), uid_(segment_.header().uid) {
  Control& control = segment_.control();
  epoch_ = control.replies.epoch.load(std::memory_order_relaxed) + 1;
  control.replies.epoch.store(epoch_, std::memory_order_release);
  tail_ = control.mailbox.tail.load(std::memory_order_relaxed);
  head_ = control.mailbox.head.load(std::memory_order_acquire);
  reply_head_ = control.replies.head.load(std::memory_order_relaxed);
  outbox_head_ = control.outbox.head.load(std::memory_order_relaxed);
  outbox_tail_ = outbox_head_;
  // What an earlier daemon's clients left behind.
  for (std::uint64_t position = head_; position != tail_;) {
    const auto found = segment_.mailbox().find<MessageHead>(position, tail_);
    if (found.status != found.kRecord) break;
    count(position);
    position = found.position + found.head.bytes;
  }
}

// A message begins there, or behind padding there.
void Rings::count(std::uint64_t position) {
  if (pushed_ % kMessagesPerMark == 0) marks_.push_back({position, pushed_});
  ++pushed_;
}

// False if the worker's end can't be true.
bool Rings::refresh_head() {
  const std::uint64_t head = segment_.control().mailbox.head.load(std::memory_order_acquire);
  if (head < head_ || head > tail_) return false;
  head_ = head;
  while (!marks_.empty() && marks_.front().position < head_) marks_.pop_front();
  return true;
}

Rings::Push Rings::push(const Message& message) {
  const segment::Ring& mailbox = segment_.mailbox();
  const std::uint64_t bytes = segment::record_bytes<MessageHead>(message.strings);
  if (bytes > segment::largest_record(mailbox.bytes())) return Push::kTooBig;
  auto place = segment::place_record(head_, tail_, mailbox.bytes(), bytes);
  if (!place) {
    if (!refresh_head()) return Push::kDamaged;
    place = segment::place_record(head_, tail_, mailbox.bytes(), bytes);
    if (!place) return Push::kFull;
  }
  mailbox.write_pad(tail_, place->pad);
  const MessageHead head{.bytes = static_cast<std::uint32_t>(bytes),
                         .type = message.type,
                         .request = message.request,
                         .stream = message.stream,
                         .number = message.number,
                         .epoch = epoch_,
                         .strings = static_cast<std::uint32_t>(message.strings.size()),
                         .flags = message.flags,
                         .pid = message.pid};
  std::byte* record = mailbox.at(place->start);
  std::memcpy(record, &head, sizeof head);
  segment::write_strings(record + sizeof head, message.strings);
  count(tail_);
  tail_ = place->end;
  segment_.control().mailbox.tail.store(tail_, std::memory_order_release);
  return Push::kDone;
}

// The messages are there before the tail says so; the worker sees one of tail and sleeping, we the
// other (see Runtime::wait_for_message).
void Rings::wake_worker() {
  segment::MailboxEnds& ends = segment_.control().mailbox;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (ends.sleeping.load(std::memory_order_relaxed) == 0) return;
  ends.bell.fetch_add(1, std::memory_order_release);
  segment::futex_wake(ends.bell);
}

bool Rings::want_room() {
  segment::MailboxEnds& ends = segment_.control().mailbox;
  ends.producer_waits.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return ends.head.load(std::memory_order_acquire) != head_;
}

void Rings::store_reply_head() {
  segment_.control().replies.head.store(reply_head_, std::memory_order_release);
  wake_writer();
}

// A worker that waits for room, here or there, looks at both rings again.
void Rings::wake_writer() {
  segment::ReplyEnds& ends = segment_.control().replies;
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (ends.writer_waits.load(std::memory_order_relaxed) != 0) {
    ends.room.fetch_add(1, std::memory_order_release);
    segment::futex_wake(ends.room);
  }
}

void Rings::look_at_outbox() {
  outbox_tail_ = segment_.control().outbox.tail.load(std::memory_order_acquire);
}

Rings::Read Rings::read_outgoing(std::uint64_t position, Outgoing& outgoing) {
  outgoing.strings.clear();
  if (outgoing.strings.capacity() > kKeptStrings) outgoing.strings = {};
  if (record_.capacity() > kKeptBytes) record_ = {};
  const auto found = segment_.outbox().find<OutgoingHead>(position, outbox_tail_);
  if (found.status == found.kEmpty) return Read::kEmpty;
  if (found.status == found.kMalformed) return Read::kDamaged;
  record_.assign(reinterpret_cast<const char*>(found.body.data()), found.body.size());
  const bool readable = segment::read_strings(
      found.head, std::as_bytes(std::span{record_}),
      [&outgoing](std::string_view text) { outgoing.strings.push_back(text); });
  outgoing.type = found.head.type;
  outgoing.reference = found.head.reference;
  outgoing.target = found.head.target;
  outgoing.position = found.position;
  outgoing.end = found.position + found.head.bytes;
  return readable && is_possible(outgoing) ? Read::kRecord : Read::kDamaged;
}

void Rings::free_outbox(std::uint64_t head) {
  if (head == outbox_head_) return;
  outbox_head_ = head;
  segment_.control().outbox.head.store(head, std::memory_order_release);
  wake_writer();
}

bool Rings::arm() {
  segment::Control& control = segment_.control();
  control.replies.armed.store(1, std::memory_order_relaxed);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return control.replies.tail.load(std::memory_order_acquire) == reply_head_ &&
         control.outbox.tail.load(std::memory_order_acquire) == outbox_tail_;
}

// Counted one by one up to the next mark, in memory the worker may have written meanwhile.
std::size_t Rings::queued() {
  refresh_head();
  const std::uint64_t end = marks_.empty() ? tail_ : marks_.front().position;
  std::uint64_t counted = 0;
  for (std::uint64_t position = head_; position < end && counted < kMessagesPerMark; ++counted) {
    const auto found = segment_.mailbox().find<MessageHead>(position, tail_);
    if (found.status != found.kRecord) break;
    position = found.position + found.head.bytes;
  }
  return counted + (marks_.empty() ? 0 : pushed_ - marks_.front().number);
}

}  // namespace peeper::daemon
