// Replies as JSON, for programs. Pure.
//
//   status, bulk, verbatim  string; each byte that is not UTF-8 becomes U+FFFD
//   integer                 number, exact to 64 bits
//   big number              number if 64 bits without sign hold it, else string
//   double                  number; "inf", "-inf" and "nan", which JSON has not, strings
//   null, boolean           null, true and false
//   array, set, push        array
//   map                     object; if a key is no text, or two read alike, an array of [key,
//   value] error                   {"error": {"code": "CRASHED", "message": "…"}}
#pragma once

#include <string>
#include <string_view>

#include "common/resp/reply.hpp"

namespace peeper::cli {

// On one line, without its end.
[[nodiscard]] std::string render_json(const resp::Reply& reply);
[[nodiscard]] std::string render_json_error(std::string_view code, std::string_view message);

// An error reply's first word, if it is in capitals as codes are, and the rest. Else code is "ERR".
struct ErrorParts {
  std::string_view code;
  std::string_view message;
};
[[nodiscard]] ErrorParts error_parts(std::string_view text);

}  // namespace peeper::cli
