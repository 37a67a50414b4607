// Reads the commands a client sends: RESP arrays of bulk strings, and inline commands (a line of
// words, with Redis's quoting). Knows bytes only; incremental; bounded.
//
// Owner: the connection. Thread: its owner's. Nothing blocks.
// Memory: grows with the arguments that have really arrived, never with what a length announces.
// Commands of up to some thousand arguments reuse it; what a larger one needed is given back.
//
// Error texts are those of Redis 7. Stricter than Redis, where a lenient reading would guess:
//   * a negative number of arguments ("*-1") is an error, not an empty command;
//   * a CR must be followed by LF, and a bulk string by CR LF;
//   * the first byte of an argument is judged when it arrives, not once its line is complete;
//   * the length limit of a line counts also when its end arrived in the same read.
// A NUL byte in an inline command is a byte like any other.
// Source: https://redis.io/docs/reference/protocol-spec, redis/src/networking.c.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/limits.hpp"

namespace peeper::resp {

// What one command may need; beyond: kError.
struct ParserLimits {
  std::size_t arguments = limits::kCommandArguments;
  std::size_t bulk_bytes = limits::kBulkBytes;        // one argument
  std::size_t command_bytes = limits::kCommandBytes;  // an array with all its headers
  std::size_t inline_bytes = limits::kInlineBytes;    // an inline command, or one header line
};

enum class ParseStatus { kIncomplete, kCommand, kError };

class CommandParser {
 public:
  explicit CommandParser(ParserLimits limits = {}) : limits_(limits) {}

  // `input`: the connection's unconsumed bytes, beginning at a command's first byte. While the
  // answer is kIncomplete, call again with the same bytes and more, at any address: parsing goes on
  // where it stopped, so no byte is looked at twice. Must not shrink meanwhile (checked).
  ParseStatus parse(std::string_view input);

  // After kCommand, until the next parse(): views into that call's `input`; inline arguments that
  // had quotes live in the parser. Empty for an empty line and for "*0": skip those.
  [[nodiscard]] std::span<const std::string_view> arguments() const { return arguments_; }

  // After kCommand: bytes of `input` the command took. The next parse() begins a new command.
  [[nodiscard]] std::size_t consumed() const { return position_; }

  // After kIncomplete: how many more bytes are needed at least; 1 when unknown. Within the limits.
  [[nodiscard]] std::size_t wanted() const { return wanted_; }

  // After kError: "ERR Protocol error: …", one line. The parser stays in error: where the next
  // command would begin is unknown, so the connection can only be closed.
  [[nodiscard]] std::string_view error() const { return error_; }

 private:
  enum class Phase { kFirstByte, kInline, kCount, kBulkHeader, kBulkBody, kDone, kFailed };
  struct Slice {
    std::size_t begin;
    std::size_t bytes;
  };
  struct HeaderErrors {
    std::string_view too_big;
    std::string_view invalid;
  };

  // A whole array of bulk strings that is there, as nearly all commands are. False: it isn't, or
  // not as it should be; then nothing has changed and the steps find out.
  bool parse_at_once(std::string_view input);
  // The steps of parse(): kCommand means "this step is complete, go on".
  ParseStatus parse_inline(std::string_view input);
  ParseStatus parse_count(std::string_view input);
  ParseStatus parse_bulk_header(std::string_view input);
  ParseStatus parse_bulk_body(std::string_view input);
  ParseStatus read_header(std::string_view input, HeaderErrors errors, std::uint64_t& number);
  ParseStatus incomplete(std::size_t wanted);
  ParseStatus fail(std::string_view what);
  void begin_command();

  ParserLimits limits_;
  Phase phase_ = Phase::kFirstByte;
  std::size_t position_ = 0;     // the element being read begins here
  std::size_t searched_ = 0;     // no line end between position_ and here
  std::uint64_t announced_ = 0;  // arguments of this command
  std::size_t bulk_bytes_ = 0;   // of the argument being read
  std::size_t wanted_ = 1;
  std::vector<Slice> slices_;  // arguments so far; offsets, for `input` may move
  std::vector<std::string_view> arguments_;
  std::string unquoted_;  // inline arguments that had quotes
  std::string error_;
};

}  // namespace peeper::resp
