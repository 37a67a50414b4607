#include "common/resp/command_parser.hpp"

#include <algorithm>
#include <charconv>

#include "common/check.hpp"

namespace peeper::resp {
namespace {

// What an idle connection may keep for its next command. Ten thousand connections keep it.
constexpr std::size_t kKeptArguments = 4096;
constexpr std::size_t kKeptUnquotedBytes = 4096;

constexpr std::size_t kLineEndBytes = 2;

// What is read at once, and else step by step.
constexpr std::uint64_t kMostAtOnce = 64;
constexpr std::ptrdiff_t kShortDigits = 9;
constexpr std::size_t kShortHeaderBytes = kShortDigits + 1;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r';
}

// Redis ends an unquoted word at fewer bytes than it skips between words.
bool ends_word(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

char escaped(char c) {
  switch (c) {
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    case 'b': return '\b';
    case 'a': return '\a';
    default: return c;
  }
}

// Appends one escape sequence of a "…" string; `rest` begins at its backslash, which is not the
// last byte. Returns how many bytes it took.
std::size_t append_escape(std::string_view rest, std::string& out) {
  if (rest.size() >= 4 && rest[1] == 'x') {
    const int high = hex_value(rest[2]);
    const int low = hex_value(rest[3]);
    if (high >= 0 && low >= 0) {
      out.push_back(static_cast<char>(high * 16 + low));
      return 4;
    }
  }
  out.push_back(escaped(rest[1]));
  return 2;
}

// Appends what stands between the quote at `at` and its partner, and moves `at` behind that.
// False: no partner, or something other than a blank follows it.
bool unquote(std::string_view line, std::size_t& at, std::string& out) {
  const char quote = line[at++];
  while (at < line.size()) {
    const std::string_view rest = line.substr(at);
    if (rest[0] == quote) {
      ++at;
      return at == line.size() || is_blank(line[at]);
    }
    if (rest[0] != '\\' || rest.size() == 1) {
      out.push_back(rest[0]);
      ++at;
    } else if (quote == '"') {
      at += append_escape(rest, out);
    } else if (rest[1] == '\'') {
      out.push_back('\'');
      at += 2;
    } else {
      out.push_back('\\');
      ++at;
    }
  }
  return false;
}

// False: unbalanced quotes.
bool split_words(std::string_view line, std::string& unquoted,
                 std::vector<std::string_view>& words) {
  std::size_t at = 0;
  while (true) {
    while (at < line.size() && is_blank(line[at])) ++at;
    if (at == line.size()) return true;
    const std::size_t begin = at;
    while (at < line.size() && !ends_word(line[at]) && line[at] != '"' && line[at] != '\'') ++at;
    const std::string_view plain = line.substr(begin, at - begin);
    if (at == line.size() || ends_word(line[at])) {
      words.push_back(plain);
      continue;
    }
    // Unquoting never lengthens, so after this no view into `unquoted` moves.
    if (unquoted.empty()) unquoted.reserve(line.size());
    const std::size_t from = unquoted.size();
    unquoted.append(plain);
    if (!unquote(line, at, unquoted)) return false;
    words.push_back(std::string_view(unquoted).substr(from));
  }
}

// As Redis reads a length: digits only, no sign, no leading zero.
bool read_length(std::string_view digits, std::uint64_t& number) {
  if (digits.empty() || (digits[0] == '0' && digits.size() > 1)) return false;
  const char* end = digits.data() + digits.size();
  const auto [stopped, error] = std::from_chars(digits.data(), end, number);
  return error == std::errc() && stopped == end;
}

// "<type><digits>\r\n" with a number that needs no care, and moves `at` behind it.
bool read_short_header(const char*& at, const char* end, char type, std::uint64_t& number) {
  const char* next = at;
  if (next == end || *next++ != type) return false;
  const char* const digits = next;
  for (; next != end && *next >= '0' && *next <= '9'; ++next) {
    if (next - digits == kShortDigits) return false;
    number = number * 10 + static_cast<std::uint64_t>(*next - '0');
  }
  if (next == digits || (*digits == '0' && next - digits > 1)) return false;
  if (end - next < 2 || next[0] != '\r' || next[1] != '\n') return false;
  at = next + kLineEndBytes;
  return true;
}

// "expected '$', got 'x'". The byte goes into a line, so what would end one is written as \xHH.
std::string unexpected_byte(char got) {
  constexpr std::string_view kHexDigits = "0123456789abcdef";
  std::string text = "expected '$', got '";
  const auto byte = static_cast<unsigned char>(got);
  if (byte >= 0x20 && byte < 0x7f) {
    text += got;
  } else {
    text += "\\x";
    text += kHexDigits[byte >> 4];
    text += kHexDigits[byte & 15];
  }
  return text + "'";
}

template <class Container>
void clear_and_keep(Container& container, std::size_t most) {
  if (container.capacity() > most) {
    Container().swap(container);
  } else {
    container.clear();
  }
}

}  // namespace

ParseStatus CommandParser::parse(std::string_view input) {
  if (phase_ == Phase::kFailed) return ParseStatus::kError;
  if (phase_ == Phase::kDone) begin_command();
  if (phase_ == Phase::kFirstByte && parse_at_once(input)) return ParseStatus::kCommand;
  PEEPER_CHECK(input.size() >= std::max(position_, searched_),
               "bytes of an unfinished command were taken away");
  while (phase_ != Phase::kDone) {
    ParseStatus status = ParseStatus::kCommand;
    switch (phase_) {
      case Phase::kFirstByte:
        if (input.empty()) return incomplete(1);
        phase_ = input[0] == '*' ? Phase::kCount : Phase::kInline;
        break;
      case Phase::kInline: status = parse_inline(input); break;
      case Phase::kCount: status = parse_count(input); break;
      case Phase::kBulkHeader: status = parse_bulk_header(input); break;
      case Phase::kBulkBody: status = parse_bulk_body(input); break;
      case Phase::kDone: break;
      case Phase::kFailed: break;
    }
    if (status != ParseStatus::kCommand) return status;
  }
  for (const Slice slice : slices_) arguments_.push_back(input.substr(slice.begin, slice.bytes));
  return ParseStatus::kCommand;
}

bool CommandParser::parse_at_once(std::string_view input) {
  const char* at = input.data();
  const char* const end = at + input.size();
  std::uint64_t count = 0;
  if (limits_.inline_bytes < kShortHeaderBytes || !read_short_header(at, end, '*', count) ||
      count == 0 || count > kMostAtOnce || count > limits_.arguments)
    return false;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::uint64_t bytes = 0;
    if (!read_short_header(at, end, '$', bytes) || bytes > limits_.bulk_bytes ||
        static_cast<std::uint64_t>(end - at) < bytes + kLineEndBytes ||
        at[bytes] != '\r' || at[bytes + 1] != '\n' ||
        static_cast<std::size_t>(at - input.data()) + bytes + kLineEndBytes >
            limits_.command_bytes) {
      arguments_.clear();
      return false;
    }
    arguments_.emplace_back(at, bytes);
    at += bytes + kLineEndBytes;
  }
  position_ = static_cast<std::size_t>(at - input.data());
  phase_ = Phase::kDone;
  return true;
}

ParseStatus CommandParser::parse_inline(std::string_view input) {
  const std::string_view window = input.substr(0, limits_.inline_bytes + 1);
  const std::size_t newline = window.find('\n', searched_);
  if (newline == std::string_view::npos) {
    if (input.size() > limits_.inline_bytes) return fail("too big inline request");
    searched_ = input.size();
    return incomplete(1);
  }
  // A CR before it is a blank like others.
  const std::string_view line = window.substr(0, newline);
  if (!split_words(line, unquoted_, arguments_)) return fail("unbalanced quotes in request");
  if (arguments_.size() > limits_.arguments) return fail("too big inline request");
  position_ = newline + 1;
  phase_ = Phase::kDone;
  return ParseStatus::kCommand;
}

ParseStatus CommandParser::parse_count(std::string_view input) {
  constexpr HeaderErrors kErrors = {"too big mbulk count string", "invalid multibulk length"};
  const ParseStatus status = read_header(input, kErrors, announced_);
  if (status != ParseStatus::kCommand) return status;
  if (announced_ > limits_.arguments) return fail(kErrors.invalid);
  phase_ = announced_ == 0 ? Phase::kDone : Phase::kBulkHeader;
  return status;
}

ParseStatus CommandParser::parse_bulk_header(std::string_view input) {
  constexpr HeaderErrors kErrors = {"too big bulk count string", "invalid bulk length"};
  if (input.size() == position_) return incomplete(1);
  if (input[position_] != '$') return fail(unexpected_byte(input[position_]));
  std::uint64_t bytes = 0;
  const ParseStatus status = read_header(input, kErrors, bytes);
  if (status != ParseStatus::kCommand) return status;
  if (bytes > limits_.bulk_bytes) return fail(kErrors.invalid);
  // position_ is small enough: each earlier element passed here, and a header line is bounded.
  if (position_ + bytes + kLineEndBytes > limits_.command_bytes) return fail("too big command");
  bulk_bytes_ = bytes;
  phase_ = Phase::kBulkBody;
  return status;
}

ParseStatus CommandParser::parse_bulk_body(std::string_view input) {
  const std::size_t needed = bulk_bytes_ + kLineEndBytes;
  const std::size_t there = input.size() - position_;
  if (there < needed) return incomplete(needed - there);
  if (input.substr(position_ + bulk_bytes_, kLineEndBytes) != "\r\n") {
    return fail("invalid bulk length");
  }
  slices_.push_back({position_, bulk_bytes_});
  position_ += needed;
  searched_ = position_;
  phase_ = slices_.size() == announced_ ? Phase::kDone : Phase::kBulkHeader;
  return ParseStatus::kCommand;
}

// Reads the line at position_, whose first byte is the type, and moves position_ behind it.
ParseStatus CommandParser::read_header(std::string_view input, HeaderErrors errors,
                                       std::uint64_t& number) {
  const std::string_view window = input.substr(position_, limits_.inline_bytes + 1);
  const std::size_t end = window.find('\r', searched_ - position_);
  if (end == std::string_view::npos) {
    if (window.size() > limits_.inline_bytes) return fail(errors.too_big);
    searched_ = input.size();
    return incomplete(1);
  }
  searched_ = position_ + end;
  if (searched_ + 1 == input.size()) return incomplete(1);
  if (input[searched_ + 1] != '\n') return fail(errors.invalid);
  if (!read_length(window.substr(1, end - 1), number)) return fail(errors.invalid);
  position_ = searched_ + kLineEndBytes;
  searched_ = position_;
  return ParseStatus::kCommand;
}

ParseStatus CommandParser::incomplete(std::size_t wanted) {
  wanted_ = wanted;
  return ParseStatus::kIncomplete;
}

ParseStatus CommandParser::fail(std::string_view what) {
  phase_ = Phase::kFailed;
  error_ = "ERR Protocol error: ";
  error_ += what;
  arguments_.clear();
  return ParseStatus::kError;
}

void CommandParser::begin_command() {
  phase_ = Phase::kFirstByte;
  position_ = 0;
  searched_ = 0;
  wanted_ = 1;
  clear_and_keep(slices_, kKeptArguments);
  clear_and_keep(arguments_, kKeptArguments);
  clear_and_keep(unquoted_, kKeptUnquotedBytes);
}

}  // namespace peeper::resp
