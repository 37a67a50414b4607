// UTF-8, one character at a time. Servers answer with any bytes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace peeper::cli {

struct Character {
  std::size_t bytes = 1;
  char32_t code = 0;
  bool valid = false;  // if not, `bytes` is 1: that byte is part of no valid character
};

// The first character of `text`, which is not empty.
[[nodiscard]] Character first_character(std::string_view text);

// Each byte that is part of no valid character becomes U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view bytes);

}  // namespace peeper::cli
