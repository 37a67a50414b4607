// The keys of kv.cpp: their values, and when those expire that do.
//
// A key whose time has come is gone for whoever asks, from that millisecond on; its memory is freed
// when it is written to, or by sweep(), a few with every command that may write.
#pragma once

#include <peeper/string.hpp>
#include <peeper/unordered.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace kv {

using Milliseconds = std::int64_t;  // of the wall clock, since 1970

struct Store {
  peeper::unordered_map<peeper::string, peeper::string> values;
  // Only of the keys that expire, so that the others pay nothing for it.
  peeper::unordered_map<peeper::string, Milliseconds> deadlines;
  std::uint64_t next_swept = 0;  // bucket of deadlines
};

// Empty buckets cost next to nothing; in a full table this is about as many keys.
inline constexpr int kSweptBuckets = 16;

// Boost's strings double as they grow. These are mostly written once, so what they don't need is
// given back, unless it is too little to be worth the move.
inline void assign(peeper::string& string, std::string_view text) {
  string.assign(text.data(), text.size());
  if (string.capacity() - string.size() > 15 + string.size() / 8) string.shrink_to_fit();
}

inline std::optional<Milliseconds> deadline(const Store& store, std::string_view key) {
  if (store.deadlines.empty()) return std::nullopt;
  const auto at = store.deadlines.find(key);
  if (at == store.deadlines.end()) return std::nullopt;
  return at->second;
}

inline bool is_over(Milliseconds deadline, Milliseconds now) { return now > deadline; }

// Null: there is none (any more).
inline const peeper::string* find(const Store& store, std::string_view key, Milliseconds now) {
  const auto at = store.values.find(key);
  if (at == store.values.end()) return nullptr;
  const auto until = deadline(store, key);
  return until && is_over(*until, now) ? nullptr : &at->second;
}

// False: there was none (any more).
inline bool erase(Store& store, std::string_view key, Milliseconds now) {
  const bool existed = find(store, key, now) != nullptr;
  store.values.erase(key);
  store.deadlines.erase(key);
  return existed;
}

// As find(), to be written to: if its time has come it is freed first.
inline peeper::string* find_to_write(Store& store, std::string_view key, Milliseconds now) {
  const auto at = store.values.find(key);
  if (at == store.values.end()) return nullptr;
  const auto until = deadline(store, key);
  if (!until || !is_over(*until, now)) return &at->second;
  erase(store, key, now);
  return nullptr;
}

// The value of this key, which is made if need be.
inline peeper::string& at(Store& store, std::string_view key, Milliseconds now) {
  if (peeper::string* value = find_to_write(store, key, now)) return *value;
  peeper::string own_key;
  assign(own_key, key);
  return store.values.emplace(std::move(own_key), peeper::string()).first->second;
}

inline bool persist(Store& store, std::string_view key) { return store.deadlines.erase(key) != 0; }

inline void expire(Store& store, std::string_view key, Milliseconds when) {
  const auto at = store.deadlines.find(key);
  if (at != store.deadlines.end()) {
    at->second = when;
    return;
  }
  peeper::string own_key;
  assign(own_key, key);
  store.deadlines.emplace(std::move(own_key), when);
}

// Frees expired keys: those in the next few buckets, so that every key has its turn.
inline void sweep(Store& store, Milliseconds now) {
  if (store.deadlines.empty()) return;
  for (int i = 0; i < kSweptBuckets; ++i) {
    const std::size_t bucket = store.next_swept++ % store.deadlines.bucket_count();
    for (auto at = store.deadlines.begin(bucket); at != store.deadlines.end(bucket);) {
      const auto& [key, until] = *at;
      ++at;
      if (!is_over(until, now)) continue;
      store.values.erase(std::string_view(key));
      store.deadlines.erase(store.deadlines.find(std::string_view(key)));
    }
  }
}

}  // namespace kv
