// Words, numbers and options of commands, read as Redis reads them.
#pragma once

#include <peeper/message.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "kv_store.hpp"

namespace kv {

constexpr char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }
// `word` is in small letters.
inline bool is_word(std::string_view text, std::string_view word) {
  return std::equal(text.begin(), text.end(), word.begin(), word.end(),
                    [](char a, char b) { return lower(a) == b; });
}

// Only as Redis itself writes numbers: no "+1", "01" or "-0".
inline std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc{} || stop != end) return std::nullopt;
  const std::string_view digits = text.substr(text.front() == '-' ? 1 : 0);
  if (digits.front() == '0' && text != "0") return std::nullopt;
  return number;
}

inline std::optional<std::int64_t> sum(std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

enum class Unit { kNone, kSeconds, kMilliseconds };

struct SetOptions {
  bool nx = false;
  bool xx = false;
  bool get = false;
  bool keep_ttl = false;
  Unit unit = Unit::kNone;
  bool absolute = false;
  std::string_view time;

  // False: a syntax error.
  bool read(const peeper::Message& args) {
    for (std::size_t i = 2; i < args.size(); ++i) {
      const std::string_view word = args.arg(i);
      if (is_word(word, "nx") && !xx) {
        nx = true;
      } else if (is_word(word, "xx") && !nx) {
        xx = true;
      } else if (is_word(word, "get")) {
        get = true;
      } else if (is_word(word, "keepttl") && unit == Unit::kNone) {
        keep_ttl = true;
      } else if (i + 1 == args.size() || !read_time(word, args.arg(i + 1))) {
        return false;
      } else {
        ++i;
      }
    }
    return true;
  }

 private:
  // The same option twice is none too many; the last one counts.
  bool read_time(std::string_view word, std::string_view text) {
    const bool in_seconds = is_word(word, "ex") || is_word(word, "exat");
    if (!in_seconds && !is_word(word, "px") && !is_word(word, "pxat")) return false;
    const Unit new_unit = in_seconds ? Unit::kSeconds : Unit::kMilliseconds;
    const bool new_absolute = word.size() == 4;
    if (keep_ttl || (unit != Unit::kNone && (unit != new_unit || absolute != new_absolute)))
      return false;
    unit = new_unit;
    absolute = new_absolute;
    time = text;
    return true;
  }
};

// None: that is no time for a key to expire.
inline std::optional<Milliseconds> deadline_of(const SetOptions& options, std::int64_t time,
                                               Milliseconds now) {
  if (time <= 0) return std::nullopt;
  if (options.unit == Unit::kSeconds) {
    if (time > std::numeric_limits<Milliseconds>::max() / 1000) return std::nullopt;
    time *= 1000;
  }
  return options.absolute ? time : sum(time, now);
}

struct ExpireOptions {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;

  // Empty, or the error.
  std::string read(const peeper::Message& args) {
    for (std::size_t i = 2; i < args.size(); ++i) {
      const std::string_view word = args.arg(i);
      if (is_word(word, "nx")) {
        nx = true;
      } else if (is_word(word, "xx")) {
        xx = true;
      } else if (is_word(word, "gt")) {
        gt = true;
      } else if (is_word(word, "lt")) {
        lt = true;
      } else {
        return "ERR Unsupported option " + std::string(word.substr(0, word.find('\0')));
      }
    }
    if (nx && (xx || gt || lt))
      return "ERR NX and XX, GT or LT options at the same time are not compatible";
    if (gt && lt) return "ERR GT and LT options at the same time are not compatible";
    return {};
  }

  // No deadline counts as later than any other.
  [[nodiscard]] bool allow(std::optional<Milliseconds> old, Milliseconds when) const {
    return !(nx && old) && !(xx && !old) && !(gt && (!old || when <= *old)) &&
           !(lt && old && when >= *old);
  }
};

}  // namespace kv
