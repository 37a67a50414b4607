// UTF-8, one character at a time, and text that is safe to show. Servers answer with, and write,
// any bytes. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace peeper {

struct Character {
  std::size_t bytes = 1;
  char32_t code = 0;
  bool valid = false;  // if not, `bytes` is 1: that byte is part of no valid character
};

// The first character of `text`, which is not empty.
[[nodiscard]] Character first_character(std::string_view text);

// Control characters, C1 among them, and marks that change the writing direction: a text that has
// them may look like another one, or change what else is on the screen.
[[nodiscard]] bool commands_a_terminal(char32_t code);

// Each byte that is part of no valid character becomes U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view bytes);

// What commands a terminal, and bytes that are not UTF-8, become \n, \xHH or \u{HHHH}. kKeep: but
// for line ends and tabs.
enum class LineEnds { kKeep, kEscape };
[[nodiscard]] std::string escape_control(std::string_view text,
                                         LineEnds line_ends = LineEnds::kEscape);

}  // namespace peeper
