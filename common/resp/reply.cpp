#include "common/resp/reply.hpp"

#include <charconv>
#include <limits>

#include "common/resp/writer.hpp"

namespace peeper::resp {
namespace {

// "txt:"
constexpr std::size_t kVerbatimPrefixBytes = 4;

Reply::Type type_of(char type) {
  switch (type) {
    case '+': return Reply::Type::kStatus;
    case '-':
    case '!': return Reply::Type::kError;
    case ':': return Reply::Type::kInteger;
    case '$': return Reply::Type::kBulk;
    case '#': return Reply::Type::kBoolean;
    case ',': return Reply::Type::kDouble;
    case '(': return Reply::Type::kBigNumber;
    case '=': return Reply::Type::kVerbatim;
    case '*': return Reply::Type::kArray;
    case '%': return Reply::Type::kMap;
    case '~': return Reply::Type::kSet;
    case '>': return Reply::Type::kPush;
    default: return Reply::Type::kNull;
  }
}

double read_double(std::string_view text) {
  if (text == "inf") return std::numeric_limits<double>::infinity();
  if (text == "-inf") return -std::numeric_limits<double>::infinity();
  double number = std::numeric_limits<double>::quiet_NaN();
  if (text != "nan") std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

Reply scalar(const Token& token) {
  Reply reply;
  reply.type = type_of(token.type);
  switch (token.type) {
    case '_': break;
    case '#': reply.integer = token.text == "t" ? 1 : 0; break;
    case ':':
      std::from_chars(token.text.data(), token.text.data() + token.text.size(), reply.integer);
      break;
    case '=': reply.text = token.text.substr(kVerbatimPrefixBytes); break;
    case ',':
      reply.number = read_double(token.text);
      reply.text = token.text;
      break;
    default: reply.text = token.text; break;
  }
  return reply;
}

// Builds the value at `at` and moves `at` behind it. The bytes have been scanned: they are
// well-formed, so the recursion is no deeper than the scanner allows, and each announced element is
// there, so reserving for them is safe.
Reply build(std::string_view bytes, std::size_t& at) {
  const Token token = read_token(bytes.substr(at), Dialect::kAny, 0);
  at += token.bytes;
  if (!is_container(token.type)) return scalar(token);
  Reply reply;
  reply.type = type_of(token.type);
  reply.elements.reserve(token.children);
  for (std::uint64_t i = 0; i < token.children; ++i) reply.elements.push_back(build(bytes, at));
  return reply;
}

// A status, an error or an integer, which RESP2 writes alike.
bool is_one_line_of_both(std::string_view value) {
  if (value.size() < 3 || (value[0] != ':' && value[0] != '+' && value[0] != '-')) return false;
  return value.find('\r') == value.size() - 2 && value.back() == '\n';
}

void append_token_as_resp2(const Token& token, std::string_view token_bytes, std::string& out) {
  switch (token.type) {
    case '%':
    case '~':
    case '>': return append_array(out, token.children);
    case '_': return append_bytes(out, "$-1\r\n");
    case '#': return append_integer(out, token.text == "t" ? 1 : 0);
    case ',':
    case '(': return append_bulk(out, token.text);
    case '=': return append_bulk(out, token.text.substr(kVerbatimPrefixBytes));
    case '!': return append_error(out, token.text);
    default: return append_bytes(out, token_bytes);
  }
}

}  // namespace

Scan ValueScanner::scan(std::string_view bytes) {
  while (status_ == Scan::kIncomplete) {
    const Token token = read_token(bytes.substr(position_), dialect_, searched_);
    if (token.status == Scan::kIncomplete) {
      searched_ = token.bytes;
      return Scan::kIncomplete;
    }
    searched_ = 0;
    status_ = token.status == Scan::kComplete ? take(token) : Scan::kMalformed;
  }
  return status_;
}

Scan ValueScanner::take(const Token& token) {
  position_ += token.bytes;
  ++values_;
  if (is_container(token.type)) {
    if (depth_ == most_depth_) return Scan::kMalformed;
    if (token.type == '>' && depth_ > 0) return Scan::kMalformed;
    if (token.children > 0) {
      missing_[depth_++] = token.children;
      return Scan::kIncomplete;
    }
  }
  // A value has ended, and with it each container it was the last one of.
  while (depth_ > 0 && --missing_[depth_ - 1] == 0) --depth_;
  return depth_ == 0 ? Scan::kComplete : Scan::kIncomplete;
}

Scanned scan_value(std::string_view bytes) {
  ValueScanner scanner;
  const Scan status = scanner.scan(bytes);
  return {status, status == Scan::kComplete ? scanner.bytes() : 0};
}

bool is_one_value(std::string_view bytes) {
  // Most are scalars, for which no depth need be kept.
  const Token token = read_token(bytes, Dialect::kReply, 0);
  if (token.status != Scan::kComplete) return false;
  if (!is_container(token.type)) return token.bytes == bytes.size();
  ValueScanner scanner(Dialect::kReply);
  return scanner.scan(bytes) == Scan::kComplete && scanner.bytes() == bytes.size();
}

bool is_error(std::string_view value) { return value.starts_with('-') || value.starts_with('!'); }

// A container is its header followed by its elements, in both protocols: translating token by token
// is enough, and no depth is kept.
void append_as_resp2(std::string_view resp3_value, std::string& out) {
  if (is_one_line_of_both(resp3_value)) return append_bytes(out, resp3_value);
  const std::size_t before = out.size();
  while (!resp3_value.empty()) {
    const Token token = read_token(resp3_value, Dialect::kAny, 0);
    if (token.status != Scan::kComplete) {
      out.resize(before);
      return append_error(out, "ERR malformed value");
    }
    append_token_as_resp2(token, resp3_value.substr(0, token.bytes), out);
    resp3_value.remove_prefix(token.bytes);
  }
}

std::optional<ReadReply> read_value(std::string_view bytes, std::size_t most_values) {
  ValueScanner scanner;
  if (scanner.scan(bytes) != Scan::kComplete || scanner.values() > most_values) return std::nullopt;
  std::size_t at = 0;
  Reply reply = build(bytes, at);
  return ReadReply{std::move(reply), at};
}

const Reply* Reply::field(std::string_view key) const {
  if (type != Type::kMap) return nullptr;
  for (std::size_t i = 0; i + 1 < elements.size(); i += 2) {
    if (elements[i].text == key) return &elements[i + 1];
  }
  return nullptr;
}

}  // namespace peeper::resp
