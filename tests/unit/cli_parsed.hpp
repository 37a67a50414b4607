// The command line of `peeper`, as the tests of its options give it.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "common/resp/command_parser.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/options.hpp"

namespace peeper::test {

using Words = std::vector<std::string>;

// The options; the test ends if they are refused.
inline cli::Options parsed(const Words& arguments) {
  const auto result = cli::parse_options(arguments);
  if (const auto* usage = std::get_if<cli::Usage>(&result)) FAIL(usage->text);
  return std::get<cli::Options>(result);
}

// As the daemon gets it, if the client adds nothing.
inline Words wire(const Words& arguments) {
  const Command command = cli::wire_command(parsed(arguments));
  std::string bytes;
  command.append_to(bytes, command.timeout().value_or(std::chrono::milliseconds{0}));
  resp::CommandParser parser;
  REQUIRE(parser.parse(bytes) == resp::ParseStatus::kCommand);
  return {parser.arguments().begin(), parser.arguments().end()};
}

}  // namespace peeper::test
