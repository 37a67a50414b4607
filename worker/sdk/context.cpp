#include "peeper/context.hpp"

#include <charconv>
#include <stdexcept>

namespace peeper {

namespace detail {

namespace {

template <class Number>
abi::Bytes write_digits(char (&digits)[32], Number number) noexcept {
  const char* end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  return {digits, static_cast<std::size_t>(end - digits)};
}

}  // namespace

void OutgoingArgument::write(std::int64_t number) noexcept {
  bytes_ = write_digits(digits_, number);
}
void OutgoingArgument::write(std::uint64_t number) noexcept {
  bytes_ = write_digits(digits_, number);
}
void OutgoingArgument::write(double number) noexcept { bytes_ = write_digits(digits_, number); }

}  // namespace detail

bool Context::reply(const From& caller, const Value& value) const {
  if (!caller) return false;
  const abi::From from{caller.request, caller.server, caller.epoch, caller.client};
  return detail::host().reply(&from, detail::as_bytes(value.bytes()));
}

std::optional<std::chrono::nanoseconds> Context::cancel(Timer timer) const {
  if (!timer) return std::nullopt;
  const std::int64_t left = detail::host().cancel(timer.number);
  if (left < 0) return std::nullopt;
  return std::chrono::nanoseconds(left);
}

void Context::publish(std::string_view channel, const Value& value) const {
  detail::host().publish(detail::as_bytes(channel), detail::as_bytes(value.bytes()));
}

std::string_view Context::server() const {
  const abi::Bytes& name = detail::host().server;
  return {name.data, name.size};
}

std::uint32_t Context::incarnation() const { return detail::host().incarnation; }

}  // namespace peeper
