// Patterns as the KEYS of Redis takes them (https://redis.io/docs/latest/commands/keys/):
//   *  any text    ?  any byte    [abc] [a-z] [^a]  one byte of, or not of, a set    \x  x itself
// What Redis makes of odd patterns is made of them here: a set or a '\' at the end that is not
// closed counts as if it was, and an empty key is matched by "" and "*" only.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>

namespace kv {

namespace detail {

struct Step {
  std::size_t bytes;  // of the pattern, for one byte of the text
  bool matches;
};

// `pattern` begins with '['.
inline Step match_set(std::string_view pattern, char byte) {
  std::size_t at = 1;
  const bool inverted = at < pattern.size() && pattern[at] == '^';
  if (inverted) ++at;
  bool found = false;
  while (at < pattern.size() && pattern[at] != ']') {
    const std::size_t left = pattern.size() - at;
    if (pattern[at] == '\\' && left >= 2) {
      found = found || pattern[at + 1] == byte;
      at += 2;
    } else if (left >= 3 && pattern[at + 1] == '-') {
      // As signed numbers, in either order.
      auto low = static_cast<signed char>(pattern[at]);
      auto high = static_cast<signed char>(pattern[at + 2]);
      if (low > high) std::swap(low, high);
      const auto value = static_cast<signed char>(byte);
      found = found || (low <= value && value <= high);
      at += 3;
    } else {
      found = found || pattern[at] == byte;
      at += 1;
    }
  }
  if (at < pattern.size()) ++at;  // the ']'
  return {at, found != inverted};
}

// `pattern` is not empty and begins with no '*'.
inline Step match_one(std::string_view pattern, char byte) {
  switch (pattern[0]) {
    case '?': return {1, true};
    case '[': return match_set(pattern, byte);
    case '\\':
      if (pattern.size() >= 2) return {2, pattern[1] == byte};
      break;
  }
  return {1, pattern[0] == byte};
}

}  // namespace detail

// At most pattern times text steps: after a mismatch, only the last '*' takes one byte more.
inline bool glob_matches(std::string_view pattern, std::string_view text) {
  if (text.empty()) return pattern.empty() || pattern == "*";
  constexpr std::size_t kNone = std::string_view::npos;
  std::size_t in_pattern = 0;
  std::size_t in_text = 0;
  std::size_t after_star = kNone;
  std::size_t star_text = 0;  // where what follows the '*' is being tried
  while (in_text < text.size()) {
    if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
      after_star = ++in_pattern;
      star_text = in_text;
      continue;
    }
    if (in_pattern < pattern.size()) {
      const auto step = detail::match_one(pattern.substr(in_pattern), text[in_text]);
      if (step.matches) {
        in_pattern += step.bytes;
        ++in_text;
        continue;
      }
    }
    if (after_star == kNone) return false;
    in_pattern = after_star;
    in_text = ++star_text;
  }
  return pattern.find_first_not_of('*', in_pattern) == kNone;
}

}  // namespace kv
