#include "daemon/cli/options.hpp"

#include <CLI/CLI.hpp>
#include <sstream>

#include "common/limits.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/completion.hpp"
#include "daemon/cli/option_parts.hpp"
#include "daemon/cli/own_arguments.hpp"

namespace peeper::cli {
namespace {

constexpr std::size_t kColumnWidth = 22;

constexpr const char* kFooter = R"(
Arguments after SERVER MESSAGE are sent as they are, also "-5", "--json" and "--".
Options such as --json come before SERVER MESSAGE.

Exit codes:
  0  done
  1  the server answered with an error (it stands on stderr, or with --json on stdout)
  2  usage
  3  cannot connect, or the connection was lost
  4  timed out
  5  the output could not be written

Examples:
  peeper call counter add 5
  peeper --json ls
  PEEPER_SOCKET=/tmp/p.sock peeper ping
Help on one command: peeper call --help)";

std::string check_token(const std::string& token) {
  if (!token.empty() && token.size() <= limits::kTokenBytes) return "";
  return "a token has 1 to " + std::to_string(limits::kTokenBytes) + " bytes";
}

CLI::App* add_message_verb(CLI::App& app, Fields& fields, Verb verb, const char* name,
                           const char* text, const char* more) {
  CLI::App* command = add_verb(app, fields, verb, name, text, more);
  command->add_option("--id", fields.options.token,
                      "the message's token: the server handles only the\n"
                      "first message with it, and answers the same again")
      ->check(CLI::Validator(check_token, "", "token"))
      ->type_name("TOKEN");
  add_message_words(command, fields);
  return command;
}

void add_messages(CLI::App& app, Fields& fields) {
  CLI::App* call = add_message_verb(app, fields, Verb::kCall, "call",
                                    "Send a call and print the reply (handle_call)",
                                    "Example: peeper call counter add 5\n"
                                    "         peeper call --timeout 500 counter add -5");
  add_milliseconds(*call, fields.call_timeout_ms,
                   "how long the server may take (default 5000);\n"
                   "peeper itself waits a second more");
  add_message_verb(app, fields, Verb::kCast, "cast",
                   "Send a cast: OK once it is in the mailbox (handle_cast)",
                   "Example: peeper cast counter add 5");
  add_message_verb(app, fields, Verb::kSend, "send",
                   "Send any other message: OK once it is in the mailbox (handle_info)",
                   "Example: peeper send counter tick");
}

void add_shell_and_ping(CLI::App& app, Fields& fields) {
  add_verb(app, fields, Verb::kShell, "shell", "Give commands one after another at a prompt",
           "With history and completion; from a pipe, one command a line. 'help', 'help COMMAND',\n"
           "'exit'. The options before \"shell\" hold for each command.\n"
           "Example: peeper shell\n"
           "         printf 'ls\\nstatus counter\\n' | peeper shell");
  add_verb(app, fields, Verb::kPing, "ping", "Ask whether peeperd answers: PONG",
           "Example: peeper ping");
}

}  // namespace

void describe(CLI::App& app, Fields& fields) {
  app.get_formatter()->column_width(kColumnWidth);
  app.footer(kFooter);
  app.failure_message([](const CLI::App*, const CLI::Error& error) {
    return std::string("peeper: ") + error.what() + "; see peeper --help\n";
  });
  app.set_version_flag("--version", "peeper " PEEPER_VERSION, "Print the version");
  app.add_option("-s,--socket", fields.options.socket, "where peeperd listens")
      ->envname("PEEPER_SOCKET")
      ->type_name("PATH")
      ->capture_default_str();
  app.add_flag("--json", fields.options.json,
               "print one JSON document; what is no UTF-8 becomes U+FFFD");
  add_milliseconds(app, fields.wait_ms, "how long to wait for the answer (default 6000)");
  app.add_flag("!--no-retry", fields.options.retry,
               "if the connection is lost, say so at once; without it\n"
               "peeper waits for peeperd to come back and asks again");
  app.require_subcommand(1);
  add_messages(app, fields);
  add_inspection(app, fields);
  add_debugging(app, fields);
  add_crashes(app, fields);
  add_log(app, fields);
  add_supervision(app, fields);
  add_system(app, fields);
  add_shell_and_ping(app, fields);
  add_bench(app, fields);
  add_segments(app, fields);
  add_completion(app, fields);
}

namespace {

Options options_of(Fields&& fields) {
  Options options = std::move(fields.options);
  if (fields.wait_ms > 0) options.wait = std::chrono::milliseconds(fields.wait_ms);
  if (fields.call_timeout_ms > 0) {
    options.call_timeout = std::chrono::milliseconds(fields.call_timeout_ms);
  }
  if (fields.delay_ms) options.delay = std::chrono::milliseconds(*fields.delay_ms);
  switch (options.verb) {
    case Verb::kCall:
    case Verb::kCast:
    case Verb::kSend:
    case Verb::kReplaceState:
    case Verb::kBench: options.words = {fields.server, fields.message}; break;
    case Verb::kState:
      options.words = {fields.server};
      if (!fields.path.empty()) options.words.push_back(fields.path);
      break;
    case Verb::kWatch:
    case Verb::kMessages:
    case Verb::kSuspend:
    case Verb::kResume:
    case Verb::kStatus:
    case Verb::kStart:
    case Verb::kStop:
    case Verb::kRestart: options.words = {fields.server}; break;
    case Verb::kStatistics:
    case Verb::kTrace:
      options.words = {fields.server};
      if (!fields.on_or_off.empty()) options.words.push_back(fields.on_or_off);
      break;
    case Verb::kUpgrade: options.words = {fields.server, fields.path}; break;
    case Verb::kKill:
      options.words = {fields.server};
      if (!fields.process.empty()) options.words.push_back(fields.process);
      if (!fields.signal.empty()) options.words.push_back(fields.signal);
      break;
    case Verb::kCrashes:
      if (!fields.server.empty()) options.words = {fields.server};
      if (!fields.action.empty())
        options.words.insert(options.words.end(), {"SHOW", fields.number});
      break;
    case Verb::kLog:
      options.words = {fields.server.empty() ? "*" : fields.server,
                       std::to_string(options.log.lines)};
      break;
    case Verb::kDeadLetters:
      options.words = {fields.action, fields.server};
      if (!fields.number.empty()) options.words.push_back(fields.number);
      break;
    case Verb::kSegments:
      if (options.prune) options.words = {"PRUNE"};
      break;
    case Verb::kList:
    case Verb::kTop:
    case Verb::kMetrics:
    case Verb::kReload:
    case Verb::kCompletion:
    case Verb::kShell:
    case Verb::kPing: break;
  }
  return options;
}

}  // namespace

std::variant<Options, Usage> parse_options(const std::vector<std::string>& arguments) {
  Fields fields;
  fields.options.socket = "/run/peeperd/peeperd.sock";
  CLI::App app("Talks to peeperd: sends messages to its servers, and looks at them.", "peeper");
  describe(app, fields);
  OwnArguments parted = part(app, arguments);
  if (parted.unknown)
    return Usage{kUsage, "peeper: no command \"" + *parted.unknown + "\"; see peeper --help\n"};
  try {
    app.parse(std::move(parted.own));
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(error, out, err) == 0) return Usage{kDone, out.str()};
    return Usage{kUsage, err.str()};
  }
  if (fields.options.verb == Verb::kCompletion)
    return Usage{kDone, completion_script(app, fields.shell)};
  Options options = options_of(std::move(fields));
  options.words.insert(options.words.end(), parted.servers.begin(), parted.servers.end());
  return options;
}

}  // namespace peeper::cli
