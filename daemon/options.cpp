#include "daemon/options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>

#include "daemon/config/values.hpp"
#include "daemon/config/words.hpp"

namespace peeper {
namespace {

constexpr const char* kDescription =
    "Runs the servers of a configuration file and keeps them running: whatever crashes in a\n"
    "server's code, it comes back with the state of its last finished message.";

constexpr const char* kExample =
    "Example:\n"
    "  peeperd --config counter.toml --socket /tmp/counter.sock\n"
    "  peeper -s /tmp/counter.sock call counter state\n"
    "\n"
    "A behaviour's name is looked for in the directories of PEEPER_PATH, beside the configuration\n"
    "file, and in ../lib/peeper as seen from this program.\n"
    "SIGTERM ends everything in order; the servers' states stay and are found at the next start.\n"
    "SIGHUP reads the configuration again: only what has changed is started, ended or restarted.\n"
    "\n"
    "Exit codes:\n"
    "  0  ended by a signal     1  could not start, or run on\n"
    "  2  usage, or a mistake in the configuration\n"
    "  3  the top level restarted more often than it may     4  auto_shutdown";

constexpr int kUsage = 2;

// An option's text, read by the parser that reads it in the file. CLI11 wants what is wrong with
// it, or nothing.
template <class T>
CLI::Validator accepted_by(Result<T> (*parse)(std::string_view)) {
  return {[parse](const std::string& text) {
            const Result<T> parsed = parse(text);
            return parsed ? std::string() : parsed.error().what;
          },
          ""};
}

Result<config::LogLevel> parse_log_level(std::string_view text) {
  const auto level = config::from_word<config::LogLevel>(text);
  if (level) return *level;
  return Failure{"expected " + config::all_words<config::LogLevel>() + ", found " +
                 config::in_quotes(text), 0};
}

}  // namespace

Options parse_or_exit(int argc, char** argv) {
  Options options;
  std::string socket;
  std::string instance;
  std::string log_level;
  CLI::App app{kDescription, "peeperd"};
  app.footer(kExample);
  app.set_version_flag("--version", "peeperd " PEEPER_VERSION, "Print the version and exit");
  app.add_option("-c,--config", options.config_file, "The configuration, a TOML file")
      ->required()
      ->type_name("FILE");
  app.add_option("--socket", socket, "Listen at this path, whatever the file says")
      ->envname("PEEPER_SOCKET")
      ->check(accepted_by(config::parse_socket_path))
      ->type_name("PATH");
  app.add_option("--instance", instance, "Prefix of the segments' names, whatever the file says")
      ->envname("PEEPER_INSTANCE")
      ->check(accepted_by(config::parse_instance))
      ->type_name("NAME");
  app.add_option("--log-level", log_level, "From \"trace\" to \"critical\", or \"off\"")
      ->check(accepted_by(parse_log_level))
      ->type_name("LEVEL");
  app.add_flag("--check", options.check_only,
               "Only check the configuration, report every mistake in it and exit");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : kUsage);
  }
  if (!socket.empty()) options.socket = socket;
  if (!instance.empty()) options.instance = instance;
  options.log_level = config::from_word<config::LogLevel>(log_level);
  return options;
}

void override_with(const Options& options, config::DaemonSection& daemon) {
  if (options.socket) daemon.socket = *options.socket;
  if (options.instance) daemon.instance = *options.instance;
  if (options.log_level) daemon.log_level = *options.log_level;
}

}  // namespace peeper
