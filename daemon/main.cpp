// peeperd: reads the configuration, takes the instance's lock, and runs.
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "daemon/check_config.hpp"
#include "daemon/config/behaviour_path.hpp"
#include "daemon/instance_lock.hpp"
#include "daemon/oom.hpp"
#include "daemon/options.hpp"
#include "daemon/runtime.hpp"

namespace {

using namespace peeper;

spdlog::level::level_enum level_of(config::LogLevel level) {
  switch (level) {
    case config::LogLevel::kTrace: return spdlog::level::trace;
    case config::LogLevel::kDebug: return spdlog::level::debug;
    case config::LogLevel::kInfo: return spdlog::level::info;
    case config::LogLevel::kWarning: return spdlog::level::warn;
    case config::LogLevel::kError: return spdlog::level::err;
    case config::LogLevel::kCritical: return spdlog::level::critical;
    case config::LogLevel::kOff: return spdlog::level::off;
  }
  return spdlog::level::info;
}

int fail(const Failure& failure) {
  spdlog::critical("{}", failure.what);
  return EXIT_FAILURE;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse_or_exit(argc, argv);
  const config::SearchPath path = search_path_of_this_process(options.config_file);
  const config::Loaded loaded = load_for_start(options, path);
  if (options.check_only) return report_config(loaded, std::cout, std::cerr);
  if (!loaded.mistakes.empty()) return report_config(loaded, std::cout, std::cerr);
  const config::Config& config = loaded.config;

  spdlog::set_default_logger(spdlog::stderr_color_st("peeperd"));
  spdlog::set_level(level_of(config.daemon.log_level));
  std::signal(SIGPIPE, SIG_IGN);

  std::vector<std::filesystem::path> libraries;
  for (const auto& server : config.servers) {
    auto library = config::find_behaviour(server, path);
    if (!library) return fail(library.error());
    libraries.push_back(*std::move(library));
  }
  const auto lock = daemon::InstanceLock::take(config.daemon.instance);
  if (!lock) return fail(lock.error());

  const daemon::Programs programs{path.program_directory / "peeper-keeper",
                                  path.program_directory / "peeper-worker", path,
                                  daemon::be_killed_last()};
  daemon::Runtime runtime{config, libraries, programs, PEEPER_VERSION};
  if (const auto ran = runtime.run(); !ran) return fail(ran.error());
  return EXIT_SUCCESS;
}
