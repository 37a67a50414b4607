// The tokens of safe retries, with the first reply of each: a message whose token was committed is
// not run again.
//
// Lives in the heap; so a token is remembered exactly if its message was committed. Bounded: the
// newest `window` tokens, the oldest goes first. Owner: Durable. Thread: the callback thread; what
// changes happens inside a transaction.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"
#include "peeper/ordered.hpp"
#include "peeper/sequences.hpp"
#include "peeper/string.hpp"
#include "peeper/unordered.hpp"

namespace peeper::worker {

class Tokens {
 public:
  struct Entry {
    bool answered = false;
    peeper::string reply;  // one RESP3 value; empty for a cast or info
    // While not answered: the call that was left open, and who asked last with its token.
    abi::From call{};
    abi::From asked_last{};
  };

  // Null if this token is new.
  [[nodiscard]] Entry* find(std::string_view token) {
    const auto found = entries_.find(token);
    return found == entries_.end() ? nullptr : &(*found).second;
  }

  // A new token, and what was replied.
  void remember(std::string_view token, std::string_view reply, std::size_t window) {
    if (Entry* entry = add(token, window)) {
      entry->answered = true;
      entry->reply.assign(reply.data(), reply.size());
    }
  }
  // A new token, of a call that will be answered later.
  void remember_open(std::string_view token, const abi::From& call, std::size_t window) {
    if (Entry* entry = add(token, window)) {
      entry->call = call;
      entry->asked_last = call;
      open_.insert_or_assign(key_of(call), ptr<Entry>(entry));
    }
  }

  // The entry of a call that was left open, which is answered now. Null if it came without a token.
  [[nodiscard]] Entry* answer(const abi::From& call, std::string_view reply) {
    const auto found = open_.find(key_of(call));
    if (found == open_.end()) return nullptr;
    Entry* entry = found->second.get();
    open_.erase(found);
    entry->answered = true;
    entry->reply.assign(reply.data(), reply.size());
    return entry;
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  using Entries = peeper::unordered_map<peeper::string, Entry>;  // its nodes stay where they are
  using CallKey = std::pair<std::uint64_t, std::uint64_t>;       // request; server or epoch

  static CallKey key_of(const abi::From& call) {
    return {call.request, call.server != 0 ? call.server : call.epoch};
  }

  Entry* add(std::string_view token, std::size_t window) {
    while (!by_age_.empty() && entries_.size() >= window) forget_oldest();
    if (window == 0) return nullptr;
    auto& node =
        *entries_.emplace(peeper::string(token.data(), token.size()), Entry{}).first;
    by_age_.push_back(ptr<Entries::value_type>(&node));
    return &node.second;
  }

  void forget_oldest() {
    const Entries::value_type& oldest = *by_age_.front();
    if (!oldest.second.answered) open_.erase(key_of(oldest.second.call));
    entries_.erase(entries_.find(std::string_view{oldest.first.data(), oldest.first.size()}));
    by_age_.pop_front();
  }

  Entries entries_;
  peeper::deque<ptr<Entries::value_type>> by_age_;
  peeper::map<CallKey, ptr<Entry>> open_;
};

}  // namespace peeper::worker
