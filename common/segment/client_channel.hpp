// One client's own channel, from the side that commits: the worker's, and the keeper's while no
// worker can write. A part of each transaction that takes a request or gives a reply there.
//
//   take(), add_reply()   remembered, and written beyond the published end of the ring
//   prepare(sequence)     the slot that does not hold gets the ends after
//   COMMIT                (transaction.hpp) from here on that slot holds
//   complete()            the ends are copied to where the client looks, and it is woken
//
// A death before COMMIT leaves a slot of a sequence that is not committed: hold_back() sees to it in
// the recovery that it never holds. A slot is only written by prepare(), so that no transaction of
// the same sequence can come in between.
//
// Owner: ClientChannels, keeper. Thread: its owner's. It believes nothing in the client's memory.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "common/segment/client_memory.hpp"

namespace peeper::segment {

// --- Slots ---------------------------------------------------------------------------------------

// The one that holds after the commit of `committed`; nullptr: none does, so the entry is damaged.
[[nodiscard]] ClientSlot* held_slot(ClientEntry& entry, std::uint64_t committed);
// A channel that begins. For the daemon, while the entry is attached to nobody.
void begin_slots(ClientEntry& entry);
// In a recovery: what was not committed never will be.
void hold_back(ClientEntry& entry, std::uint64_t committed);

// What a client may ask. Every request is answered, a cast and an info by OK at their commit.
[[nodiscard]] constexpr bool is_request(const MessageHead& head) {
  return head.request != 0 && (head.type == MessageType::kCall || head.type == MessageType::kCast ||
                               head.type == MessageType::kInfo);
}

// --- A channel -----------------------------------------------------------------------------------

class ClientChannel {
 public:
  ClientChannel(ClientMemory memory, std::uint32_t serial)
      : memory_(std::move(memory)),
        serial_(serial),
        requests_(memory_.requests()),
        replies_(memory_.replies()) {}

  // Before anything else, and while nobody else can write the entry: where the last commit stands,
  // also to the client. An entry that is damaged makes a channel at fault.
  void take_up(ClientEntry& entry, std::uint64_t committed);

  [[nodiscard]] std::uint32_t serial() const { return serial_; }
  [[nodiscard]] std::uint32_t pid() const { return entry_->pid; }
  [[nodiscard]] ClientHeader& header() const { return memory_.header(); }

  // --- Requests ----------------------------------------------------------------------------------
  // Is there one that may be taken? Not while a reply to it might find no room. A channel at fault
  // has none any more.
  [[nodiscard]] bool has_mail() { return has_request() && has_room(); }
  // There is one, but for room for its reply.
  [[nodiscard]] bool needs_room() { return has_request() && !has_room(); }
  using Request = Ring::Found<MessageHead>;
  // The first one. Its body is still the client's memory: copy it, check the copy.
  [[nodiscard]] Request first() {
    if (!has_request()) return Request{};
    const Request found = requests_.find<MessageHead>(request_head_, request_tail_);
    // The one behind it is still in the cache of the client's processor.
    const std::uint64_t next = found.position + found.head.bytes;
    __builtin_prefetch(requests_.at(next));
    __builtin_prefetch(requests_.at(next + 64));
    return found;
  }
  // From here on no request is taken; the client is told.
  void set_fault(ClientFault fault);

  // --- In a transaction --------------------------------------------------------------------------
  // The first request is done: up to `head`.
  void take(std::uint64_t head) { new_request_head_ = head; }
  // What is larger than largest_value() is answered TOOBIG in its stead. False: there is no room.
  bool add_reply(std::uint64_t request, std::string_view value);
  [[nodiscard]] std::uint64_t largest_value() const {
    return replies_.bytes() / 4 - sizeof(ReplyHead) - 8;
  }
  void forget() {
    new_request_head_ = request_head_;
    new_reply_tail_ = reply_tail_;
  }
  void prepare(std::uint64_t sequence);
  void complete();

 private:
  // The client's ends are looked at when what was seen of them last is not enough: each look may
  // cost a trip to the other processor.
  [[nodiscard]] bool has_request() {
    if (request_tail_ == request_head_)
      request_tail_ = memory_.header().request_tail.load(std::memory_order_acquire);
    return !at_fault_ && request_tail_ != request_head_;
  }
  [[nodiscard]] bool has_room();
  [[nodiscard]] bool look_at_reply_head(std::uint64_t reply_tail);
  void publish() const;

  ClientMemory memory_;
  std::uint32_t serial_;
  Ring requests_;
  Ring replies_;
  ClientEntry* entry_ = nullptr;
  ClientSlot* held_ = nullptr;
  std::uint64_t request_head_ = 0;
  std::uint64_t request_tail_ = 0;  // as last seen
  std::uint64_t reply_tail_ = 0;
  std::uint64_t reply_head_ = 0;    // as last seen, and possible
  std::uint64_t new_request_head_ = 0;
  std::uint64_t new_reply_tail_ = 0;
  bool at_fault_ = true;  // until it is taken up
};

}  // namespace peeper::segment
