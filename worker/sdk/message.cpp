#include "peeper/message.hpp"

#include <charconv>
#include <cmath>
#include <stdexcept>
#include <string>
#include <system_error>

namespace peeper {

namespace detail {

namespace {

template <class Number>
std::optional<Number> parse(std::string_view text) noexcept {
  Number number{};
  const char* end = text.data() + text.size();
  const auto [stopped_at, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stopped_at != end) return std::nullopt;
  return number;
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) noexcept {
  return parse<std::int64_t>(text);
}

std::optional<double> parse_number(std::string_view text) noexcept {
  const std::optional<double> number = parse<double>(text);
  if (!number || !std::isfinite(*number)) return std::nullopt;
  return number;
}

}  // namespace detail

namespace {

// For texts in error messages, which may be of any length.
std::string quoted(std::string_view text) {
  constexpr std::size_t most = 64;
  return "'" + std::string(text.substr(0, most)) + (text.size() > most ? "...'" : "'");
}

std::int64_t integer_or_throw(std::string_view text, const std::string& what) {
  const std::optional<std::int64_t> number = detail::parse_integer(text);
  if (!number) throw std::invalid_argument(what + " must be an integer, got " + quoted(text));
  return *number;
}

}  // namespace

From Message::from() const noexcept {
  const abi::From& from = message_->from;
  return {from.request, from.server, from.epoch, from.client};
}

std::optional<Answer> Message::answer() const noexcept {
  if (!is_answer()) return std::nullopt;
  return Answer({message_->reference}, arg_or(0, ""));
}

std::string_view Message::arg(std::size_t index) const {
  if (index < size()) return detail::view(message_->arguments[index]);
  throw std::out_of_range("message " + quoted(name()) + " has " + std::to_string(size()) +
                          " argument(s), so none with index " + std::to_string(index));
}

std::string_view Message::arg_or(std::size_t index, std::string_view fallback) const noexcept {
  return index < size() ? detail::view(message_->arguments[index]) : fallback;
}

std::optional<std::int64_t> Message::integer(std::size_t index) const noexcept {
  return detail::parse_integer(arg_or(index, ""));
}

std::optional<double> Message::number(std::size_t index) const noexcept {
  return detail::parse_number(arg_or(index, ""));
}

std::string_view Args::text(std::string_view fallback) const {
  if (named_) throw std::invalid_argument("state must be a text here, not a table");
  return count_ == 0 ? fallback : detail::view(arguments_[0]);
}

std::int64_t Args::integer(std::int64_t fallback) const {
  const std::string_view given = text();
  return count_ == 0 ? fallback : integer_or_throw(given, "state");
}

std::optional<std::string_view> Args::get(std::string_view name) const noexcept {
  if (!named_) return std::nullopt;
  for (std::size_t i = 0; i + 1 < count_; i += 2) {
    if (detail::view(arguments_[i]) == name) return detail::view(arguments_[i + 1]);
  }
  return std::nullopt;
}

std::optional<std::int64_t> Args::integer(std::string_view name) const {
  const std::optional<std::string_view> given = get(name);
  if (!given) return std::nullopt;
  return integer_or_throw(*given, "state." + std::string(name));
}

}  // namespace peeper
