// Makes lines of bytes that come in any pieces. Pure and bounded: a line that is too long goes on
// in the next one. Owner: OutputPipe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/limits.hpp"

namespace peeper::daemon {

struct CutLine {
  std::string text;         // any bytes but '\n'
  bool is_partial = false;  // it goes on in the next one, or was never ended
};

class LineCutter {
 public:
  void add(std::string_view bytes) {
    bytes_.erase(0, begin_);
    begin_ = 0;
    bytes_ += bytes;
  }

  // None: the rest of the line has to come first.
  [[nodiscard]] std::optional<CutLine> next() {
    const std::string_view left = unread();
    const std::size_t end = left.substr(0, limits::kOutputLineBytes + 1).find('\n');
    if (end != left.npos) {
      begin_ += end + 1;
      return CutLine{std::string(left.substr(0, end)), false};
    }
    if (left.size() <= limits::kOutputLineBytes) return std::nullopt;
    return take(cut_before(left));
  }

  // What was begun, when no more comes.
  [[nodiscard]] std::optional<CutLine> rest() {
    if (unread().empty()) return std::nullopt;
    return take(unread().size());
  }

  // Leaves of what is there the last lines that cost no more than that. How many were dropped.
  std::uint64_t keep_last(std::size_t most_cost) {
    const std::string_view left = unread();
    std::size_t start = left.size();
    for (std::size_t cost = 0; start > 0; --start) {
      cost += 1 + (left[start - 1] == '\n' ? limits::kOutputLineCost : 0);
      if (cost > most_cost) break;
    }
    if (start == 0) return 0;
    // From the beginning of a line on, if there is one.
    const std::size_t line_end = left.find('\n', start);
    if (left[start - 1] != '\n' && line_end != left.npos) start = line_end + 1;
    begin_ += start;
    const auto dropped = std::ranges::count(left.substr(0, start), '\n');
    return std::max<std::uint64_t>(1, static_cast<std::uint64_t>(dropped));
  }

 private:
  [[nodiscard]] std::string_view unread() const { return std::string_view(bytes_).substr(begin_); }

  CutLine take(std::size_t bytes) {
    CutLine line{std::string(unread().substr(0, bytes)), true};
    begin_ += bytes;
    return line;
  }

  // Not in the middle of a character of UTF-8.
  static std::size_t cut_before(std::string_view text) {
    constexpr std::size_t kLongestCharacter = 4;
    for (std::size_t back = 0; back < kLongestCharacter; ++back) {
      const std::size_t at = limits::kOutputLineBytes - back;
      if ((static_cast<unsigned char>(text[at]) & 0xc0) != 0x80) return at;
    }
    return limits::kOutputLineBytes;
  }

  std::string bytes_;
  std::size_t begin_ = 0;  // what is before was taken
};

}  // namespace peeper::daemon
