// What the harness itself needs to be so. Throws, so that the test fails with the text; usable
// outside of tests too.
#pragma once

#include <stdexcept>
#include <string>

namespace peeper::test {

inline void require(bool condition, const std::string& what) {
  if (!condition) throw std::runtime_error(what);
}

}  // namespace peeper::test
