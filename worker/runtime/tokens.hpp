// The tokens of safe retries, with the first reply of each: a message whose token was committed is
// not run again.
//
// Lives in the heap; so a token is remembered exactly if its message was committed. Bounded in
// number and in bytes, the oldest goes first. Tokens never fail a message: where the heap has no
// room for a new one the oldest make room, and if that doesn't help it is not remembered. A reply
// that can't be kept leaves its token behind, so that at least its message isn't run twice.
// Owner: Durable. Thread: the callback thread; what changes happens inside a transaction.
#pragma once

#include <cstdint>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include "peeper/abi.hpp"
#include "peeper/allocator.hpp"
#include "peeper/ordered.hpp"
#include "peeper/sequences.hpp"
#include "peeper/string.hpp"
#include "peeper/unordered.hpp"

namespace peeper::worker {

// Of state_size, for tokens with their replies: one in so many bytes. Enough for the usual ten
// thousand in a state of 64 MiB; the State has the rest. Beyond, the oldest are forgotten.
inline constexpr std::uint64_t kTokensShare = 8;

class Tokens {
 public:
  struct Bounds {
    std::size_t count;
    std::uint64_t bytes;  // of the heap, as bytes() counts them
  };

  enum class Reply : std::uint32_t {
    kOpen,      // the call was left open
    kKept,      // `reply` is it; empty for a cast or info
    kTooLarge,  // was given, but could not be kept
  };
  struct Entry {
    Reply is = Reply::kOpen;
    peeper::string reply;  // one RESP3 value
    std::uint64_t reply_bytes = 0;  // also of one that was not kept
    // While open: the call, and who asked last with its token.
    abi::From call{};
    abi::From asked_last{};
  };

  // Null if this token is new.
  [[nodiscard]] Entry* find(std::string_view token) {
    const auto found = entries_.find(token);
    return found == entries_.end() ? nullptr : &(*found).second;
  }

  // A new token, and what was replied.
  void remember(std::string_view token, std::string_view reply, Bounds bounds) {
    if (Entry* entry = add(token, bounds)) keep(*entry, reply, bounds);
  }
  // A new token, of a call that will be answered later.
  void remember_open(std::string_view token, const abi::From& call, Bounds bounds) {
    Entry* entry = add(token, bounds);
    if (entry == nullptr) return;
    entry->call = call;
    entry->asked_last = call;
    // An entry that is not found here would stay open for ever, so it is given up.
    if (!with_room(entry, [&] { open_.insert_or_assign(key_of(call), ptr<Entry>(entry)); }))
      forget_newest();
  }

  // A call that was left open is answered now: who asked last with its token. None if it came
  // without one, or was forgotten.
  [[nodiscard]] std::optional<abi::From> answer(const abi::From& call, std::string_view reply,
                                                Bounds bounds) {
    const auto found = open_.find(key_of(call));
    if (found == open_.end()) return std::nullopt;
    Entry& entry = *found->second;
    open_.erase(found);
    keep(entry, reply, bounds);
    return entry.asked_last;
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  // Of the heap, about: the containers' and the allocator's own included.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

 private:
  using Entries = peeper::unordered_map<peeper::string, Entry>;  // its nodes stay where they are
  // The request; which server, channel or daemon took it.
  using CallKey = std::pair<std::uint64_t, std::uint64_t>;

  // Beside the text: the node with its link, its place in by_age_, its buckets (two at the worst),
  // and the allocator's header of each of its three blocks.
  static constexpr std::uint64_t kOwnBytes = sizeof(Entries::value_type) + 96;

  static CallKey key_of(const abi::From& call) {
    const std::uint64_t client = call.client;
    return {call.request, call.server != 0 ? call.server : client << 32 | call.epoch};
  }
  static std::uint64_t bytes_of(const Entries::value_type& node) {
    return kOwnBytes + node.first.size() + node.second.reply.size();
  }

  // Null: there is no room for it at all.
  Entry* add(std::string_view token, Bounds bounds) {
    const std::uint64_t needed = kOwnBytes + token.size();
    while (entries_.size() >= bounds.count && forget_oldest(nullptr)) {
    }
    if (bounds.count == 0 || !make_room(needed, nullptr, bounds)) return nullptr;
    Entries::value_type* node = nullptr;
    const bool added = with_room(nullptr, [&] {
      by_age_.emplace_back();
      try {
        node = &*entries_.emplace(peeper::string(token.data(), token.size()), Entry{}).first;
      } catch (...) {
        by_age_.pop_back();
        throw;
      }
      by_age_.back() = node;
    });
    if (!added) return nullptr;
    bytes_ += needed;
    return &node->second;
  }

  void keep(Entry& entry, std::string_view reply, Bounds bounds) {
    entry.is = Reply::kTooLarge;
    entry.reply_bytes = reply.size();
    if (!make_room(reply.size(), &entry, bounds)) return;
    if (!with_room(&entry, [&] { entry.reply.assign(reply.data(), reply.size()); })) return;
    entry.is = Reply::kKept;
    bytes_ += reply.size();
  }

  // Forgets the oldest, but not `kept`, until `bytes` more are within bounds. What alone is beyond
  // them makes nothing forgotten.
  bool make_room(std::uint64_t bytes, const Entry* kept, Bounds bounds) {
    if (bytes > bounds.bytes) return false;
    while (bytes_ > bounds.bytes - bytes)
      if (!forget_oldest(kept)) return false;
    return true;
  }

  // Does what takes memory. While the heap has none, forgets the oldest, but not `kept`, and tries
  // again. False if that didn't help; then `action` has changed nothing.
  template <class Action>
  bool with_room(const Entry* kept, Action action) {
    while (true) {
      try {
        action();
        return true;
      } catch (const std::bad_alloc&) {
        if (!forget_oldest(kept)) return false;
      }
    }
  }

  // False if there is none, or `kept` is the oldest.
  bool forget_oldest(const Entry* kept) {
    if (by_age_.empty() || &by_age_.front()->second == kept) return false;
    forget(*by_age_.front());
    by_age_.pop_front();
    return true;
  }
  void forget_newest() {
    forget(*by_age_.back());
    by_age_.pop_back();
  }
  void forget(const Entries::value_type& node) {
    bytes_ -= bytes_of(node);
    if (node.second.is == Reply::kOpen) open_.erase(key_of(node.second.call));
    entries_.erase(entries_.find(std::string_view{node.first.data(), node.first.size()}));
  }

  std::uint64_t bytes_ = 0;
  Entries entries_;
  peeper::deque<ptr<Entries::value_type>> by_age_;
  peeper::map<CallKey, ptr<Entry>> open_;
};

}  // namespace peeper::worker
