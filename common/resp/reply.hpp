// Reads replies. The daemon checks with it what a worker wrote and translates it for RESP2 clients;
// clients read with it what the daemon sent. Either trusts nothing: what is malformed is told,
// never guessed at. What counts as malformed: token.hpp; beyond that, pushes inside other values,
// and values nested too deep: one reply (is_one_value) deeper than limits::kReplyDepth, what
// peeperd sends deeper than an event with such a reply in it.
// Nothing blocks; free functions may run on any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/limits.hpp"
#include "common/resp/token.hpp"

namespace peeper::resp {

struct Scanned {
  Scan status;
  std::size_t bytes;  // of the value when complete, else 0
};

// Finds the end of the first value, RESP2 or RESP3. Allocates nothing.
[[nodiscard]] Scanned scan_value(std::string_view bytes);

// Exactly one well-formed RESP3 reply and nothing more: what may be sent to a client that waits for
// one. So no RESP2 null and no push, which the client would not count as its reply.
[[nodiscard]] bool is_one_value(std::string_view bytes);

// An error a client would report as one.
[[nodiscard]] bool is_error(std::string_view value);

// Appends a RESP3 value in RESP2, as Redis does for clients that never said HELLO 3: map, set and
// push become arrays, null "$-1", booleans :1 and :0, doubles, big numbers and verbatim strings
// bulk strings, blob errors simple errors. `resp3_value` must be well-formed (is_one_value, or a
// push that scan_value found complete); for anything else a "-ERR" is appended, or part of the
// value.
void append_as_resp2(std::string_view resp3_value, std::string& out);

// Finds the end of a value that arrives in pieces, looking at no byte twice.
class ValueScanner {
 public:
  explicit ValueScanner(Dialect dialect = Dialect::kAny)
      : dialect_(dialect),
        most_depth_(dialect == Dialect::kReply ? limits::kReplyDepth : kMostDepth) {}

  // `bytes` begin at the value's first byte; after kIncomplete, call again with the same and more,
  // at any address. After kComplete or kMalformed the answer stays.
  Scan scan(std::string_view bytes);

  // After kComplete: of the value.
  [[nodiscard]] std::size_t bytes() const { return position_; }
  // Scalars and containers found so far.
  [[nodiscard]] std::size_t values() const { return values_; }

 private:
  // An event is a push, and in it a map, around what a server replied or showed.
  static constexpr std::size_t kMostDepth = limits::kReplyDepth + 2;

  Scan take(const Token& token);

  Dialect dialect_;
  std::size_t most_depth_;
  Scan status_ = Scan::kIncomplete;
  std::size_t position_ = 0;  // the next token begins here
  std::size_t searched_ = 0;  // of that token, see read_token
  std::size_t values_ = 0;
  std::size_t depth_ = 0;
  // Values still missing in each open container, outermost first.
  std::array<std::uint64_t, kMostDepth> missing_{};
};

// A reply as a tree, for programs that look into it.
struct Reply {
  enum class Type {
    kStatus,
    kError,
    kInteger,
    kBulk,
    kNull,
    kBoolean,
    kDouble,
    kBigNumber,
    kVerbatim,
    kArray,
    kMap,
    kSet,
    kPush
  };

  Type type = Type::kNull;
  std::int64_t integer = 0;  // kInteger; kBoolean as 0 or 1
  double number = 0;         // kDouble
  // kStatus, kError, kBulk; kVerbatim without its prefix; kDouble and kBigNumber as written
  std::string text;
  std::vector<Reply> elements;  // of containers; of a map key, value, key, value, …

  [[nodiscard]] bool is_error() const { return type == Type::kError; }
  // Of a map: the value of the first key that is this text. nullptr: none, or no map.
  [[nodiscard]] const Reply* field(std::string_view key) const;
};

// What peeperd would answer, from whoever answers in its stead. `text`: "CODE text".
[[nodiscard]] inline Reply error_reply(std::string text) {
  Reply reply;
  reply.type = Reply::Type::kError;
  reply.text = std::move(text);
  return reply;
}

struct ReadReply {
  Reply reply;
  std::size_t bytes;  // the value took
};

// The first value as a tree. nullopt: incomplete or malformed (scan_value tells which), or of more
// than `most_values` scalars and containers. A value costs some 80 bytes besides its text.
[[nodiscard]] std::optional<ReadReply> read_value(std::string_view bytes,
                                                  std::size_t most_values = SIZE_MAX);

}  // namespace peeper::resp
