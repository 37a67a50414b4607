// What a reply's map says, for those who show it. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/resp/reply.hpp"

namespace peeper::cli {

// Unescaped; "" if there is none.
[[nodiscard]] inline std::string text_in(const resp::Reply& map, std::string_view key) {
  const resp::Reply* value = map.field(key);
  return value == nullptr ? std::string() : value->text;
}

// `otherwise` if there is none.
[[nodiscard]] inline std::int64_t number_in(const resp::Reply& map, std::string_view key,
                                            std::int64_t otherwise = 0) {
  const resp::Reply* value = map.field(key);
  return value != nullptr && value->type == resp::Reply::Type::kInteger ? value->integer
                                                                        : otherwise;
}

}  // namespace peeper::cli
