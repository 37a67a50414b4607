// The command line of peeperd, with the environment variables that stand for options not given.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "daemon/config/config.hpp"

namespace peeper {

struct Options {
  std::filesystem::path config_file;
  // Each overrides the configuration file.
  std::optional<std::filesystem::path> socket;  // --socket, PEEPER_SOCKET
  std::optional<std::string> instance;          // --instance, PEEPER_INSTANCE
  std::optional<config::LogLevel> log_level;    // --log-level
  bool check_only = false;                      // --check
};

// Ends the process itself: with 0 after --help and --version, with 2 and a message on stderr when
// the arguments are wrong.
[[nodiscard]] Options parse_or_exit(int argc, char** argv);

void override_with(const Options& options, config::DaemonSection& daemon);

}  // namespace peeper
