// The arguments of an outgoing message as byte strings. Allocates nothing: text stays where it is,
// numbers are written here.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include "peeper/abi.hpp"
#include "peeper/detail/host.hpp"

namespace peeper::detail {

template <class T>
inline constexpr bool is_outgoing_text =
    std::is_convertible_v<const T&, std::string_view> && !std::is_null_pointer_v<T>;

// A view of `value`, which outlives it.
class OutgoingArgument {
 public:
  template <class T>
  explicit OutgoingArgument(const T& value) {
    static_assert(is_outgoing_text<T> || std::is_arithmetic_v<T>,
                  "peeper: an argument of a message is text, a number or a bool; make text of "
                  "anything else");
    if constexpr (is_outgoing_text<T>) {
      bytes_ = as_bytes(value);
    } else if constexpr (std::is_same_v<T, bool>) {
      bytes_ = as_bytes(value ? "1" : "0");
    } else if constexpr (std::is_same_v<T, char>) {
      digits_[0] = value;
      bytes_ = {digits_, 1};
    } else if constexpr (std::is_floating_point_v<T>) {
      write(static_cast<double>(value));
    } else if constexpr (std::is_signed_v<T>) {
      write(static_cast<std::int64_t>(value));
    } else if constexpr (std::is_arithmetic_v<T>) {
      write(static_cast<std::uint64_t>(value));
    }
  }
  OutgoingArgument(const OutgoingArgument&) = delete;
  OutgoingArgument& operator=(const OutgoingArgument&) = delete;

  [[nodiscard]] abi::Bytes bytes() const noexcept { return bytes_; }

 private:
  // As Message::integer() and Message::number() read them.
  void write(std::int64_t number) noexcept;
  void write(std::uint64_t number) noexcept;
  void write(double number) noexcept;

  abi::Bytes bytes_{};
  char digits_[32];
};

template <std::size_t Count>
class OutgoingArguments {
 public:
  template <class... Ts>
  explicit OutgoingArguments(const Ts&... values) : arguments_{OutgoingArgument(values)...} {
    for (std::size_t i = 0; i < Count; ++i) bytes_[i] = arguments_[i].bytes();
  }

  [[nodiscard]] const abi::Bytes* data() const noexcept { return bytes_.data(); }

 private:
  std::array<OutgoingArgument, Count> arguments_;
  std::array<abi::Bytes, Count> bytes_;
};

template <>
class OutgoingArguments<0> {
 public:
  [[nodiscard]] const abi::Bytes* data() const noexcept { return nullptr; }
};

}  // namespace peeper::detail
