#include "common/resp/token.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace peeper::resp {
namespace {

constexpr std::size_t kLineEndBytes = 2;
// "-9223372036854775808", and some room.
constexpr std::size_t kIntegerLineBytes = 24;
// hiredis reads doubles into a buffer of 326 bytes and gives up the connection beyond.
constexpr std::size_t kDoubleLineBytes = 325;
// "txt:"
constexpr std::size_t kVerbatimPrefixBytes = 4;

constexpr Token kMalformedToken{Scan::kMalformed, 0, {}, 0, 0};

Token incomplete(std::size_t searched) { return {Scan::kIncomplete, 0, {}, 0, searched}; }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool only_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// In the one way Redis writes it.
std::optional<std::int64_t> read_integer(std::string_view text) {
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || !is_digit(digits[0])) return std::nullopt;
  if (digits[0] == '0' && text != "0") return std::nullopt;
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || stopped != end) return std::nullopt;
  return number;
}

bool is_double(std::string_view text) {
  if (text == "inf" || text == "-inf" || text == "nan") return true;
  const std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
  if (digits.empty() || !is_digit(digits[0])) return false;  // from_chars also knows "infinity"
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stopped == end;
}

bool is_big_number(std::string_view text) {
  return only_digits(text.starts_with('-') ? text.substr(1) : text);
}

std::size_t most_line_bytes(char type) {
  switch (type) {
    case '+':
    case '-':
    case '(': return std::string_view::npos;
    case ',': return kDoubleLineBytes;
    default: return kIntegerLineBytes;
  }
}

// A bulk string, verbatim string or blob error; `header` is the token of its first line.
Token read_body(std::string_view bytes, Token header, std::int64_t length) {
  const auto body_bytes = static_cast<std::uint64_t>(length);
  const std::string_view rest = bytes.substr(header.bytes);
  if (rest.size() < body_bytes + kLineEndBytes) return incomplete(0);
  if (rest.substr(body_bytes, kLineEndBytes) != "\r\n") return kMalformedToken;
  header.text = rest.substr(0, body_bytes);
  header.bytes += body_bytes + kLineEndBytes;
  if (header.type != '=') return header;
  const bool prefixed =
      header.text.size() >= kVerbatimPrefixBytes && header.text[kVerbatimPrefixBytes - 1] == ':';
  return prefixed ? header : kMalformedToken;
}

// A value whose first line is a length or a count.
Token read_counted(std::string_view bytes, Token header, Dialect dialect) {
  const std::optional<std::int64_t> count = read_integer(header.text);
  if (!count) return kMalformedToken;
  const bool has_resp2_null = header.type == '$' || header.type == '*';
  if (*count == -1 && has_resp2_null && dialect == Dialect::kAny) {
    header.type = '_';
    header.text = {};
    return header;
  }
  if (*count < 0) return kMalformedToken;
  if (!is_container(header.type)) return read_body(bytes, header, *count);
  if (header.type == '>' && dialect == Dialect::kReply) return kMalformedToken;
  // 2 * (2^63 - 1) fits.
  header.children = static_cast<std::uint64_t>(*count) * (header.type == '%' ? 2 : 1);
  header.text = {};
  return header;
}

Token checked(Token token, bool well_formed) { return well_formed ? token : kMalformedToken; }

}  // namespace

Token read_token(std::string_view bytes, Dialect dialect, std::size_t searched) {
  if (bytes.empty()) return incomplete(0);
  const char type = bytes[0];
  if (std::string_view("+-:_#,($=!*%~>").find(type) == std::string_view::npos) {
    return kMalformedToken;
  }
  std::size_t end = std::max<std::size_t>(searched, 1);
  while (end < bytes.size() && bytes[end] != '\r' && bytes[end] != '\n') ++end;
  if (end - 1 > most_line_bytes(type)) return kMalformedToken;
  if (end == bytes.size()) return incomplete(end);
  if (bytes[end] == '\n') return kMalformedToken;
  if (end + 1 == bytes.size()) return incomplete(end);
  if (bytes[end + 1] != '\n') return kMalformedToken;

  const std::string_view line = bytes.substr(1, end - 1);
  const Token token{Scan::kComplete, type, line, 0, end + kLineEndBytes};
  switch (type) {
    case '+':
    case '-': return token;
    case ':': return checked(token, read_integer(line).has_value());
    case '_': return checked(token, line.empty());
    case '#': return checked(token, line == "t" || line == "f");
    case ',': return checked(token, is_double(line));
    case '(': return checked(token, is_big_number(line));
    default: return read_counted(bytes, token, dialect);
  }
}

}  // namespace peeper::resp
