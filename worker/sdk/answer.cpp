// Reads the few kinds of RESP3 values that a callback asks about; the full reader of common/ would
// be too much to link into every behaviour.
#include "peeper/answer.hpp"

#include "peeper/message.hpp"

namespace peeper {

namespace {

constexpr std::string_view kLineEnd = "\r\n";

char type_of(std::string_view value) { return value.empty() ? '\0' : value.front(); }

// What stands between the type byte and the end of the line. Null data: not one whole line.
std::string_view line(std::string_view value) {
  if (value.empty() || !value.ends_with(kLineEnd)) return {};
  value.remove_prefix(1);
  value.remove_suffix(kLineEnd.size());
  return value.find(kLineEnd) == std::string_view::npos ? value : std::string_view{};
}

// "$5\r\nhello\r\n" gives "hello". Null data: not one whole value.
std::string_view block(std::string_view value) {
  const std::size_t end = value.find(kLineEnd);
  if (end == std::string_view::npos) return {};
  const auto size = detail::parse_integer(value.substr(1, end - 1));
  value.remove_prefix(end + kLineEnd.size());
  if (!size || *size < 0 || !value.ends_with(kLineEnd)) return {};
  value.remove_suffix(kLineEnd.size());
  return value.size() == static_cast<std::uint64_t>(*size) ? value : std::string_view{};
}

}  // namespace

bool Answer::is_error() const noexcept { return type_of(bytes_) == '-' || type_of(bytes_) == '!'; }

std::string_view Answer::error() const noexcept {
  if (type_of(bytes_) == '-') return line(bytes_);
  return type_of(bytes_) == '!' ? block(bytes_) : std::string_view{};
}

bool Answer::is_null() const noexcept { return bytes_ == "_\r\n"; }

std::optional<std::string_view> Answer::text() const noexcept {
  std::string_view text;
  if (type_of(bytes_) == '+') {
    text = line(bytes_);
  } else if (type_of(bytes_) == '$') {
    text = block(bytes_);
  } else if (type_of(bytes_) == '=') {
    // "txt:" or "mkd:" stands before a verbatim string.
    text = block(bytes_);
    if (text.size() < 4) return std::nullopt;
    text.remove_prefix(4);
  }
  if (text.data() == nullptr) return std::nullopt;
  return text;
}

std::optional<std::int64_t> Answer::integer() const noexcept {
  if (type_of(bytes_) == ':') return detail::parse_integer(line(bytes_));
  return detail::parse_integer(text().value_or(""));
}

std::optional<double> Answer::number() const noexcept {
  if (type_of(bytes_) == ':' || type_of(bytes_) == ',') return detail::parse_number(line(bytes_));
  return detail::parse_number(text().value_or(""));
}

}  // namespace peeper
