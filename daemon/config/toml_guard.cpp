#include "daemon/config/toml_guard.hpp"

#include <algorithm>
#include <string>

namespace peeper::config {
namespace {

bool is_plain(char c) { return (c >= ' ' && c <= '~') || c == '\t' || c == '\n' || c == '\r'; }

// One pass over the text, by character outside of strings and comments and by whole string inside.
class Scan {
 public:
  explicit Scan(std::string_view toml) : toml_(toml) {
    if (toml_.substr(0, 3) == "\xef\xbb\xbf") at_ = 3;  // byte order mark
  }

  GuardFinding run() {
    while (at_ < toml_.size()) {
      const char c = toml_[at_];
      if (!is_plain(c)) return found("expected only plain ASCII outside of quotes");
      if (c == '.' && ++dots_ > kMostKeyDots) {
        return found("expected a key of few parts, found a very long row of dots");
      }
      step(c);
    }
    return {};
  }

 private:
  void step(char c) {
    if (c == '"' || c == '\'') {
      skip_string();
    } else if (c == '#') {
      at_ = std::min(toml_.find('\n', at_), toml_.size());
    } else {
      ++at_;
    }
    // What may stand before a key or after it.
    if (c == '\n' || c == '=' || c == ',' || c == '[' || c == '{') dots_ = 0;
  }

  void skip_string() {
    const char quote = toml_[at_];
    const std::string three(3, quote);
    const bool many_lines = toml_.substr(at_, 3) == three;
    const std::string_view closing = std::string_view(three).substr(0, many_lines ? 3 : 1);
    at_ += closing.size();
    while (at_ < toml_.size() && toml_.substr(at_, closing.size()) != closing) {
      if (!many_lines && toml_[at_] == '\n') return;  // never closed, so not TOML
      at_ += quote == '"' && toml_[at_] == '\\' ? 2 : 1;
    }
    at_ = std::min(at_ + closing.size(), toml_.size());
    // A string of many lines may itself end in one quote or two.
    for (int more = 0; many_lines && more < 2 && toml_.substr(at_, 1) == three.substr(2); ++more) {
      ++at_;
    }
  }

  [[nodiscard]] GuardFinding found(std::string_view text) const {
    const std::string_view before = toml_.substr(0, at_);
    const auto lines = std::ranges::count(before, '\n');
    // npos + 1 is 0, the begin of the first line.
    const std::size_t line_begin = before.rfind('\n') + 1;
    return {1 + static_cast<int>(lines), 1 + static_cast<int>(at_ - line_begin), text};
  }

  std::string_view toml_;
  std::size_t at_ = 0;
  std::size_t dots_ = 0;  // since anything that may stand before a key
};

}  // namespace

GuardFinding guard_toml(std::string_view toml) { return Scan(toml).run(); }

}  // namespace peeper::config
