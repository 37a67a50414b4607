#include "common/utf8.hpp"

#include <cstdio>

namespace peeper {
namespace {

// Of a character of so many bytes: the bits its first byte carries, and the least code that may not
// be written shorter.
struct Form {
  std::size_t bytes;
  unsigned char bits;
  char32_t least;
};

Form form_of(unsigned char first) {
  if (first >= 0xc2 && first <= 0xdf) return {2, 0x1f, 0x80};
  if (first >= 0xe0 && first <= 0xef) return {3, 0x0f, 0x800};
  if (first >= 0xf0 && first <= 0xf4) return {4, 0x07, 0x10000};
  return {0, 0, 0};
}

bool is_surrogate(char32_t code) { return code >= 0xd800 && code <= 0xdfff; }

void append_escaped(char32_t code, std::string& out) {
  char text[16];
  switch (code) {
    case '\n': out += "\\n"; return;
    case '\r': out += "\\r"; return;
    case '\t': out += "\\t"; return;
    default:
      std::snprintf(text, sizeof text, code < 0x100 ? "\\x%02x" : "\\u{%x}",
                    static_cast<unsigned>(code));
      out += text;
  }
}

}  // namespace

Character first_character(std::string_view text) {
  const auto first = static_cast<unsigned char>(text[0]);
  if (first < 0x80) return {1, first, true};
  const Form form = form_of(first);
  if (form.bytes == 0 || text.size() < form.bytes) return {};
  char32_t code = first & form.bits;
  for (std::size_t i = 1; i < form.bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xc0) != 0x80) return {};
    code = code << 6 | (next & 0x3f);
  }
  if (code < form.least || code > 0x10ffff || is_surrogate(code)) return {};
  return {form.bytes, code, true};
}

bool commands_a_terminal(char32_t code) {
  const bool is_control = code < 0x20 || (code >= 0x7f && code <= 0x9f);
  const bool turns_direction = code == 0x61c || code == 0x200e || code == 0x200f ||
                               (code >= 0x202a && code <= 0x202e) ||
                               (code >= 0x2066 && code <= 0x2069);
  return is_control || turns_direction;
}

std::string valid_utf8(std::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const Character character = first_character(bytes);
    text += character.valid ? bytes.substr(0, character.bytes) : "\uFFFD";
    bytes.remove_prefix(character.bytes);
  }
  return text;
}

std::string escape_control(std::string_view text, LineEnds line_ends) {
  std::string out;
  while (!text.empty()) {
    const Character character = first_character(text);
    const bool kept =
        line_ends == LineEnds::kKeep && (character.code == '\n' || character.code == '\t');
    if (!character.valid) {
      append_escaped(static_cast<unsigned char>(text[0]), out);
    } else if (commands_a_terminal(character.code) && !kept) {
      append_escaped(character.code, out);
    } else {
      out += text.substr(0, character.bytes);
    }
    text.remove_prefix(character.bytes);
  }
  return out;
}

}  // namespace peeper
