// RESP3 values as JSON. Pure.
//
//   status, bulk, verbatim  string; each byte that is not UTF-8 becomes U+FFFD
//   integer                 number, exact to 64 bits
//   big number              number if 64 bits without sign hold it, else string
//   double                  number; "inf", "-inf" and "nan", which JSON has not, strings
//   null, boolean           null, true and false
//   array, set, push        array
//   map                     object; an array of [key, value] if a key is no text, or two read alike
//   error                   {"error": {"code": "CRASHED", "message": "…"}}
#pragma once

#include <boost/json.hpp>
#include <optional>
#include <string_view>

#include "common/resp/reply.hpp"

namespace peeper {

[[nodiscard]] boost::json::value value_json(const resp::Reply& reply);
// Of the bytes of exactly one value. It takes less memory than a tree of replies: what was read is
// not kept beside it. None: they are no such value.
[[nodiscard]] std::optional<boost::json::value> value_json(std::string_view resp3_value);

[[nodiscard]] boost::json::value error_json(std::string_view code, std::string_view message);

}  // namespace peeper
