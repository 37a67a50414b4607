// Words in and out of commands.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/segment/death.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {

// Names of commands and their options know no case (ASCII).
inline bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return (x >= 'a' && x <= 'z' ? x - 32 : x) == (y >= 'a' && y <= 'z' ? y - 32 : y);
  });
}

inline std::string lower_case(std::string_view word) {
  std::string text(word);
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return text;
}

// None unless all of it is one.
inline std::optional<std::int64_t> whole_number(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (bad != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

inline std::string quoted(std::string_view text) { return "'" + segment::printable(text, 128) + "'"; }

inline std::string no_server(std::string_view name) {
  return error_value("NOSERVER there is no server " + quoted(name) +
                     "; SUPERVISOR WHICH_CHILDREN lists those there are");
}

inline std::string usage(std::string_view text) {
  return error_value("BADARG usage: " + std::string(text));
}

}  // namespace peeper::daemon
