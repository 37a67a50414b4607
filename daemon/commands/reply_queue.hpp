// The replies of one connection, in the order of its commands, whatever order they come in.
// Pure; owner: Connection.
#pragma once

#include <algorithm>
#include <boost/circular_buffer.hpp>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/resp/reply.hpp"

namespace peeper::daemon {

enum class Protocol { kResp2 = 2, kResp3 = 3 };

class ReplyQueue {
 public:
  // A reply that is there already. RESP3, translated if the client wants RESP2.
  void add(std::string_view value, Protocol protocol) {
    if (slots_.empty()) return append(value, protocol, ready_);
    Slot& slot = add_slot(protocol, true);
    append(value, protocol, slot.bytes);
    held_bytes_ += slot.bytes.size();
  }

  // A reply to come; returns its slot for fill().
  [[nodiscard]] std::uint64_t reserve(Protocol protocol) {
    add_slot(protocol, false);
    return first_ + slots_.size() - 1;
  }

  // A RESP3 push. It is no reply and may come between any two. To a RESP2 client it looks like one:
  // there it waits for the replies to commands before the subscription; later ones have none.
  void push(std::string_view value, Protocol protocol) {
    if (slots_.empty() || protocol == Protocol::kResp3) return append(value, protocol, ready_);
    if (!slots_.back().ready) add_slot(protocol, true);
    std::string& bytes = slots_.back().bytes;
    held_bytes_ -= bytes.size();
    append(value, protocol, bytes);
    held_bytes_ += bytes.size();
  }

  // Takes the newest slot back; nothing was filled in.
  void cancel_last() { slots_.pop_back(); }

  // Once a slot.
  void fill(std::uint64_t slot, std::string_view value) {
    if (slot < first_ || slot - first_ >= slots_.size()) return;
    Slot& filled = slots_[slot - first_];
    if (filled.ready) return;
    filled.ready = true;
    if (slot != first_) {
      append(value, filled.protocol, filled.bytes);
      held_bytes_ += filled.bytes.size();
      return;
    }
    append(value, filled.protocol, ready_);
    for (pop(); !slots_.empty() && slots_.front().ready; pop()) ready_ += slots_.front().bytes;
  }

  // Bytes to be sent. The caller takes them.
  [[nodiscard]] std::string& ready() { return ready_; }
  // Of all replies that are there, also of those that wait behind one that isn't.
  [[nodiscard]] std::size_t bytes() const { return ready_.size() + held_bytes_; }
  // Replies that are still to come, or wait behind one.
  [[nodiscard]] std::size_t pending() const { return slots_.size(); }

 private:
  struct Slot {
    Protocol protocol;
    bool ready;
    std::string bytes;
  };

  static void append(std::string_view value, Protocol protocol, std::string& out) {
    if (protocol == Protocol::kResp3)
      out += value;
    else
      resp::append_as_resp2(value, out);
  }
  Slot& add_slot(Protocol protocol, bool ready) {
    if (slots_.full()) slots_.set_capacity(std::max(kLeastSlots, 2 * slots_.capacity()));
    slots_.push_back(Slot{protocol, ready, {}});
    return slots_.back();
  }
  void pop() {
    held_bytes_ -= slots_.front().bytes.size();
    slots_.pop_front();
    ++first_;
    if (slots_.empty() && slots_.capacity() > kKeptSlots) slots_.set_capacity(0);
  }

  static constexpr std::size_t kLeastSlots = 8;
  // What a deep pipeline needed beyond this is given back after it.
  static constexpr std::size_t kKeptSlots = 1024;

  boost::circular_buffer<Slot> slots_;
  std::uint64_t first_ = 0;  // slot of slots_.front()
  std::string ready_;
  std::size_t held_bytes_ = 0;  // in slots_
};

}  // namespace peeper::daemon
