// What a callback is given: Message, and Args for init. Views of the worker's memory, valid
// during the callback; copy what must stay (into peeper::string, say).
#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

#include "peeper/abi.hpp"
#include "peeper/answer.hpp"
#include "peeper/handles.hpp"

namespace peeper {

enum class Kind : std::uint32_t {
  call = static_cast<std::uint32_t>(abi::MessageKind::kCall),
  cast = static_cast<std::uint32_t>(abi::MessageKind::kCast),
  info = static_cast<std::uint32_t>(abi::MessageKind::kInfo),
};

namespace detail {

[[nodiscard]] inline std::string_view view(const abi::Bytes& bytes) noexcept {
  return {bytes.data, bytes.size};
}

// The whole text as a decimal number, or nothing: no blanks, no '+', no rest.
[[nodiscard]] std::optional<std::int64_t> parse_integer(std::string_view text) noexcept;
// Neither infinite nor NaN.
[[nodiscard]] std::optional<double> parse_number(std::string_view text) noexcept;

}  // namespace detail

// A call, cast or info: a name and arguments, all of them byte strings. The runtime's own infos are
// "timeout" (Result::timeout) and "answer".
//   for (std::string_view argument : message) ...
class Message {
 public:
  explicit Message(const abi::Message& message) noexcept : message_(&message) {}

  // An answer to a call of this server's own comes as an info, too.
  [[nodiscard]] Kind kind() const noexcept {
    return is_answer() ? Kind::info : static_cast<Kind>(message_->kind);
  }
  [[nodiscard]] std::string_view name() const noexcept { return detail::view(message_->name); }
  // Who waits for the answer, if this is a call.
  [[nodiscard]] From from() const noexcept;
  // Nothing unless this is the answer to a Context::call(): an info named "answer".
  [[nodiscard]] std::optional<Answer> answer() const noexcept;

  // Number of arguments, the name not counted.
  [[nodiscard]] std::size_t size() const noexcept { return message_->argument_count; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }

  // Throws std::out_of_range when there is no such argument.
  [[nodiscard]] std::string_view arg(std::size_t index) const;
  [[nodiscard]] std::string_view arg_or(std::size_t index,
                                        std::string_view fallback) const noexcept;
  // Nothing when the argument is missing or is no such number, to the last character.
  [[nodiscard]] std::optional<std::int64_t> integer(std::size_t index) const noexcept;
  [[nodiscard]] std::optional<double> number(std::size_t index) const noexcept;

  class iterator {
   public:
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;

    iterator() = default;
    explicit iterator(const abi::Bytes* at) noexcept : at_(at) {}
    std::string_view operator*() const noexcept { return detail::view(*at_); }
    iterator& operator++() noexcept {
      ++at_;
      return *this;
    }
    iterator operator++(int) noexcept { return iterator(at_++); }
    bool operator==(const iterator&) const = default;

   private:
    const abi::Bytes* at_ = nullptr;
  };

  [[nodiscard]] iterator begin() const noexcept { return iterator(message_->arguments); }
  [[nodiscard]] iterator end() const noexcept { return iterator(message_->arguments + size()); }

 private:
  [[nodiscard]] bool is_answer() const noexcept {
    return message_->kind == abi::MessageKind::kAnswer;
  }

  const abi::Message* message_;
};

// What the configuration's `state` says: one text, or a table of named texts.
class Args {
 public:
  Args(const abi::Bytes* arguments, std::size_t count, bool named) noexcept
      : arguments_(arguments), count_(count), named_(named) {}

  [[nodiscard]] bool named() const noexcept { return named_; }

  // The text; `fallback` when the configuration has none. Throws std::invalid_argument for a table.
  [[nodiscard]] std::string_view text(std::string_view fallback = "") const;
  // The text as a number. Throws std::invalid_argument when it is none.
  [[nodiscard]] std::int64_t integer(std::int64_t fallback = 0) const;

  // Of a table. Nothing when there is no such name, or no table.
  [[nodiscard]] std::optional<std::string_view> get(std::string_view name) const noexcept;
  // Throws std::invalid_argument when it is there and no number.
  [[nodiscard]] std::optional<std::int64_t> integer(std::string_view name) const;

 private:
  const abi::Bytes* arguments_;
  std::size_t count_;
  bool named_;
};

}  // namespace peeper
