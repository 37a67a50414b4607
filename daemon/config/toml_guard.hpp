// A guard before the TOML parser: finds the texts that toml++ 3.3 doesn't survive, so that nothing
// anybody writes in a configuration ends the process. Pure.
//
// - A dotted key makes one table inside another for each of its dots, and such a tree is taken down
//   recursively: a key of thirty thousand dots overflows the stack.
// - A character that isn't ASCII, outside of strings and comments, can reach a branch of the parser
//   that is marked unreachable. (TOML 1.0 allows none there, but for a byte order mark.)
//
// Text that isn't TOML gets some answer here, since the parser refuses it, at the latest where this
// has lost track of it.
#pragma once

#include <cstddef>
#include <string_view>

namespace peeper::config {

// Far more than any key of ours has. The parser itself bounds how deep arrays and inline tables
// nest (at 256), so keys within this bound can't make a tree too deep.
inline constexpr std::size_t kMostKeyDots = 16;

struct GuardFinding {
  int line = 0;  // from 1; 0: nothing found
  int column = 0;
  std::string_view text;  // what is wrong; static storage
};

[[nodiscard]] GuardFinding guard_toml(std::string_view toml);

}  // namespace peeper::config
