#include "common/json/json_text.hpp"

#include <algorithm>
#include <cstdio>

#include "common/utf8.hpp"

namespace peeper {
namespace {

// All there are have four digits. Outside of strings JSON has none of them.
void append_escaped(char32_t code, std::string& out) {
  char text[8];
  std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(code & 0xffff));
  out += text;
}

}  // namespace

std::string json_text(const boost::json::value& value) {
  std::string text = boost::json::serialize(value);
  const auto is_plain = [](unsigned char c) { return c < 0x7f; };
  if (std::ranges::all_of(text, is_plain)) return text;
  std::string out;
  for (std::string_view rest = text; !rest.empty();) {
    const Character character = first_character(rest);
    if (!character.valid || commands_a_terminal(character.code))
      append_escaped(character.valid ? character.code : U'\uFFFD', out);
    else
      out += rest.substr(0, character.bytes);
    rest.remove_prefix(character.bytes);
  }
  return out;
}

std::string json_string(std::string_view bytes) {
  return json_text(boost::json::value(boost::json::string(valid_utf8(bytes))));
}

}  // namespace peeper
