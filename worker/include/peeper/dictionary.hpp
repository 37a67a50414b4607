// A small persistent key -> value store beside the State, as Erlang's process dictionary: for what
// belongs to no State, such as what a library keeps for itself. Context::dictionary() gives it.
#pragma once

#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "peeper/abi.hpp"

namespace peeper {

// Keys and values are any bytes. Part of the transaction, like the State, and in the same heap.
// What get() and iterators show is valid until its key is put again or erased; to erase while going
// through it, step on first.
// Errors: put() and erase() throw std::logic_error outside of callbacks, put() std::bad_alloc when
// the heap is full and std::length_error for a key or value that is too long. All throw
// std::logic_error in a process that is no server.
class Dictionary {
 public:
  [[nodiscard]] std::optional<std::string_view> get(std::string_view key) const;
  void put(std::string_view key, std::string_view value) const;
  // False: there was none.
  bool erase(std::string_view key) const;
  [[nodiscard]] std::size_t size() const;
  [[nodiscard]] bool empty() const { return size() == 0; }

  // Keys and values, in the order of the keys:
  //   for (const auto& [key, value] : context.dictionary()) ...
  class iterator {
   public:
    using value_type = std::pair<std::string_view, std::string_view>;
    using difference_type = std::ptrdiff_t;

    iterator() = default;
    value_type operator*() const noexcept;
    iterator& operator++();
    void operator++(int) { ++*this; }
    friend bool operator==(const iterator& at, std::default_sentinel_t) noexcept {
      return !at.found_;
    }

   private:
    friend class Dictionary;
    explicit iterator(abi::Bytes from) { step(from); }
    void step(abi::Bytes from);

    abi::Bytes key_{};
    abi::Bytes value_{};
    bool found_ = false;
  };

  [[nodiscard]] iterator begin() const { return iterator(abi::Bytes{}); }
  [[nodiscard]] std::default_sentinel_t end() const noexcept { return {}; }
};

}  // namespace peeper
