// peeperd: reads the configuration, takes the instance's lock, and runs.
#include <spdlog/spdlog.h>

#include <csignal>
#include <cstdlib>
#include <iostream>

#include "daemon/check_config.hpp"
#include "daemon/config/behaviour_path.hpp"
#include "daemon/instance_lock.hpp"
#include "daemon/log/set_up_log.hpp"
#include "daemon/options.hpp"
#include "daemon/process/oom.hpp"
#include "daemon/process/spawn.hpp"
#include "daemon/runtime.hpp"

namespace {

using namespace peeper;

// Part of the outside interface: service managers decide by it whether to start peeperd again.
enum ExitCode : int {
  kGaveUp = 3,        // the top level restarted more often than it may
  kAutoShutdown = 4,  // a significant server, or the last one, has ended
};

int exit_code(daemon::Tree::End end) {
  switch (end) {
    case daemon::Tree::End::kGaveUp: return kGaveUp;
    case daemon::Tree::End::kAutoShutdown: return kAutoShutdown;
    case daemon::Tree::End::kNone:
    case daemon::Tree::End::kOrdered: break;
  }
  return EXIT_SUCCESS;
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

  if (const auto log = daemon::set_up_log(config.daemon); !log) {
    std::cerr << config::describe(config.file, {config.daemon.log_to_place.line,
                                                config.daemon.log_to_place.column,
                                                log.error().what})
              << '\n';
    return EXIT_FAILURE;
  }
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // a log that may not grow loses lines

  const auto lock = daemon::InstanceLock::take(config.daemon.instance);
  if (!lock) return fail(lock.error());

  daemon::raise_open_files();
  const daemon::Programs programs{path.program_directory / "peeper-keeper",
                                  path.program_directory / "peeper-worker",
                                  path.program_directory / "peeper-crash-exec", path,
                                  daemon::be_killed_last()};
  daemon::Runtime runtime{config, [&] { return load_for_start(options, path); }, programs,
                          PEEPER_VERSION};
  const auto end = runtime.run();
  if (!end) return fail(end.error());
  return exit_code(*end);
}
