// Which arguments are the command's own, and which are the server's: CLI11 would take an option's
// look for an option, also behind SERVER MESSAGE. Pure.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

namespace peeper::cli {

struct OwnArguments {
  std::vector<std::string> own;      // for CLI11, in its order: the last one first
  std::vector<std::string> servers;  // sent as they are
  std::optional<std::string> unknown;  // stands where a command should, and is none
};

// `app` has been described.
[[nodiscard]] OwnArguments part(const CLI::App& app, const std::vector<std::string>& arguments);

}  // namespace peeper::cli
