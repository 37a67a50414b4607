// The command line of `peeper`, as the tests of its options give it.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <variant>
#include <vector>

#include "daemon/cli/options.hpp"

namespace peeper::test {

using Words = std::vector<std::string>;

// The options; the test ends if they are refused.
inline cli::Options parsed(const Words& arguments) {
  const auto result = cli::parse_options(arguments);
  if (const auto* usage = std::get_if<cli::Usage>(&result)) FAIL(usage->text);
  return std::get<cli::Options>(result);
}

}  // namespace peeper::test
