#include "common/segment/client_channel.hpp"

#include <cstring>
#include <string>

#include "common/resp/writer.hpp"
#include "common/segment/journal.hpp"

namespace peeper::segment {

ClientSlot* held_slot(ClientEntry& entry, std::uint64_t committed) {
  ClientSlot* held = nullptr;
  for (ClientSlot& slot : entry.slot) {
    if (slot.sequence > committed) continue;  // kNever too
    if (held == nullptr || slot.sequence > held->sequence) held = &slot;
  }
  return held;
}

void begin_slots(ClientEntry& entry) {
  entry.slot[0] = {0, 0, 0};
  entry.slot[1] = {kNever, 0, 0};
}

void hold_back(ClientEntry& entry, std::uint64_t committed) {
  for (ClientSlot& slot : entry.slot)
    if (slot.sequence > committed) slot.sequence = kNever;
}

void ClientChannel::take_up(ClientEntry& entry, std::uint64_t committed) {
  entry_ = &entry;
  held_ = held_slot(entry, committed);
  if (held_ == nullptr || held_->request_head % 8 != 0 || held_->reply_tail % 8 != 0)
    return set_fault(ClientFault::kMalformed);
  at_fault_ = header().fault.load(std::memory_order_acquire) != ClientFault::kNone;
  request_head_ = request_tail_ = held_->request_head;
  reply_tail_ = held_->reply_tail;
  if (!look_at_reply_head(reply_tail_)) reply_head_ = reply_tail_ - replies_.bytes();
  forget();
  publish();
}

// For the largest reply, a quarter of the ring, and for less than that in padding. A head that can't
// be is no room: nothing of this channel is taken until its client mends it.
bool ClientChannel::has_room() {
  const std::uint64_t most = replies_.bytes() / 2;
  return reply_tail_ - reply_head_ <= most ||
         (look_at_reply_head(reply_tail_) && reply_tail_ - reply_head_ <= most);
}

bool ClientChannel::look_at_reply_head(std::uint64_t reply_tail) {
  const std::uint64_t head = memory_.header().reply_head.load(std::memory_order_acquire);
  if (!ends_are_sane(head, reply_tail, replies_.bytes())) return false;
  reply_head_ = head;
  return true;
}

void ClientChannel::set_fault(ClientFault fault) {
  at_fault_ = true;
  memory_.header().fault.store(fault, std::memory_order_release);
  ring_client(memory_.header());
}

bool ClientChannel::add_reply(std::uint64_t request, std::string_view value) {
  std::string too_big;
  if (value.size() > largest_value()) {
    resp::append_error(too_big, "TOOBIG the message was handled; its reply of " +
                                    std::to_string(value.size()) +
                                    " bytes is too large for this channel: ask over a socket, or "
                                    "open one with larger rings");
    value = too_big;
  }
  const std::uint64_t record = align8(sizeof(ReplyHead) + value.size());
  const auto find_place = [&] {
    return place_record(reply_head_, new_reply_tail_, replies_.bytes(), record);
  };
  auto place = find_place();
  if (!place && look_at_reply_head(new_reply_tail_)) place = find_place();
  if (!place) return false;
  replies_.write_pad(new_reply_tail_, place->pad);
  const ReplyHead reply{static_cast<std::uint32_t>(record), ReplyType::kReply, request, 0,
                        static_cast<std::uint32_t>(value.size())};
  std::memcpy(replies_.at(place->start), &reply, sizeof reply);
  std::memcpy(replies_.at(place->start) + sizeof reply, value.data(), value.size());
  new_reply_tail_ = place->end;
  return true;
}

void ClientChannel::prepare(std::uint64_t sequence) {
  ClientSlot& next = held_ == &entry_->slot[0] ? entry_->slot[1] : entry_->slot[0];
  next.sequence = kNever;  // while its ends are changed
  compiler_fence();
  next.request_head = new_request_head_;
  next.reply_tail = new_reply_tail_;
  compiler_fence();
  next.sequence = sequence;
  held_ = &next;
}

void ClientChannel::complete() {
  request_head_ = new_request_head_;
  reply_tail_ = new_reply_tail_;
  publish();
}

void ClientChannel::publish() const {
  ClientHeader& header = memory_.header();
  header.request_head.store(request_head_, std::memory_order_release);
  header.reply_tail.store(reply_tail_, std::memory_order_release);
  ring_client(header);
}

}  // namespace peeper::segment
