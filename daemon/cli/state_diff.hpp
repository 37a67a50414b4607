// What differs between two states, entry by entry. Pure.
#pragma once

#include <string>
#include <vector>

#include "common/resp/reply.hpp"

namespace peeper::cli {

struct Difference {
  enum class Kind { kAdded, kRemoved, kChanged };
  Kind kind;
  // From the top: keys of maps and numbers of arrays' elements, joined by dots, as `peeper state`
  // takes it; empty: the state itself.
  std::string path;
  const resp::Reply* before = nullptr;  // none of what was added
  const resp::Reply* after = nullptr;   // none of what was removed
};

// The differences, in the order of `after`, what was removed behind what it was in. Elements of
// arrays are compared by number, those of sets by what they are. Valid as long as both are.
// Recursion is no deeper than values nest.
[[nodiscard]] std::vector<Difference> differences(const resp::Reply& before,
                                                  const resp::Reply& after);

[[nodiscard]] bool is_same(const resp::Reply& a, const resp::Reply& b);

}  // namespace peeper::cli
