// An error's text, apart. Pure.
#pragma once

#include <algorithm>
#include <string_view>

namespace peeper::resp {

struct ErrorParts {
  std::string_view code;
  std::string_view message;
};

// Its first word, if it is in capitals as codes are, and the rest. Else code is "ERR".
[[nodiscard]] inline ErrorParts error_parts(std::string_view text) {
  const std::string_view word = text.substr(0, text.find(' '));
  const auto is_capital = [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; };
  if (word.empty() || !std::all_of(word.begin(), word.end(), is_capital)) return {"ERR", text};
  return {word, text.substr(std::min(word.size() + 1, text.size()))};
}

}  // namespace peeper::resp
