// A test that this machine can't run. It passes, with a message; where nothing may be left out, as in
// .ci/run, PEEPER_TEST_NO_SKIP=1 makes it fail.
#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <string>

namespace peeper::test {

inline void skip(const std::string& why) {
  const bool may_skip = std::getenv("PEEPER_TEST_NO_SKIP") == nullptr;
  MESSAGE("skipped: " << why);
  CHECK_MESSAGE(may_skip, why);
}

}  // namespace peeper::test
