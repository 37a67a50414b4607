// One RESP value's own bytes: a scalar whole, of a container only the header. The common step of
// all that reads replies (reply.hpp). Strict, for what passes here is handed on to client libraries
// that may give up a connection over less. Nothing is allocated, nothing blocks.
//
// Refused as malformed: numbers with a plus sign or leading zeros, CR or LF inside a line, streamed
// values ("$?"), attributes ("|"), and type bytes that are no RESP.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace peeper::resp {

enum class Scan { kIncomplete, kComplete, kMalformed };

enum class Dialect {
  kAny,    // RESP2 or RESP3
  kReply,  // what RESP3 clients take for one reply: no RESP2 nulls, no pushes
};

struct Token {
  Scan status = Scan::kMalformed;
  char type = 0;               // the type byte; a RESP2 null counts as '_'
  std::string_view text;       // of a scalar: its line or its body
  std::uint64_t children = 0;  // of a container: values that follow; two for each pair of a map
  std::size_t bytes = 0;       // complete: of the token. Incomplete: already searched, see below
};

// Reads the token at the start of `bytes`. `searched` is 0 at first; after kIncomplete, the `bytes`
// of that answer, when the same bytes and more are given: a long line is not searched twice.
[[nodiscard]] Token read_token(std::string_view bytes, Dialect dialect, std::size_t searched);

[[nodiscard]] constexpr bool is_container(char type) {
  return type == '*' || type == '%' || type == '~' || type == '>';
}

}  // namespace peeper::resp
