// Hash tables in the server's heap: those of Boost.Unordered, whose documentation applies.
// With text as the key, find(), count(), contains() and erase() take a std::string_view.
// In Boost 1.81, -> on an iterator over one bucket, begin(n), does not compile, as the pointers
// inside are distances: write (*it).second instead.
#pragma once

#include <boost/container_hash/hash.hpp>
#include <boost/unordered_map.hpp>
#include <boost/unordered_set.hpp>
#include <cstdint>
#include <functional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "peeper/string.hpp"

namespace peeper {

namespace detail {

// The same in every process, build and release: what is stored in a heap is found again by it.
// Another function raises kContainerVersion.
[[nodiscard]] std::uint64_t hash_bytes(std::string_view bytes) noexcept;

}  // namespace detail

// Hashes keys. Numbers and text hash alike for ever. Any other type goes to boost::hash, which may
// differ between releases of Boost. So may their containers, and a State compiled with another
// release is refused.
template <class T>
struct hash {
  std::size_t operator()(const T& value) const {
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      return static_cast<std::size_t>(value);
    } else {
      return boost::hash<T>{}(value);
    }
  }
};

template <detail::TextKey T>
struct hash<T> {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const noexcept { return detail::hash_bytes(text); }
};

template <class T>
struct equal_to {
  constexpr bool operator()(const T& a, const T& b) const { return a == b; }
};

template <detail::TextKey T>
struct equal_to<T> {
  using is_transparent = void;
  constexpr bool operator()(std::string_view a, std::string_view b) const noexcept {
    return a == b;
  }
};

template <class Key, class T, class Hash = hash<Key>, class Equal = equal_to<Key>>
using unordered_map = boost::unordered_map<Key, T, Hash, Equal, allocator<std::pair<const Key, T>>>;

template <class Key, class Hash = hash<Key>, class Equal = equal_to<Key>>
using unordered_set = boost::unordered_set<Key, Hash, Equal, allocator<Key>>;

}  // namespace peeper
