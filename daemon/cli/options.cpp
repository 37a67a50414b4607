#include "daemon/cli/options.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <sstream>
#include <string_view>

#include "common/limits.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/completion.hpp"
#include "daemon/cli/option_parts.hpp"

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

// --delay MS
void add_delay(CLI::App* command, Fields& fields, int least_ms, const char* what) {
  CLI::Range range(least_ms, 3'600'000);
  range.description("");
  command->add_option("-d,--delay", fields.delay_ms, what)
      ->check(range)
      ->type_name("MS");
}

void add_inspection(CLI::App& app, Fields& fields) {
  add_verb(app, fields, Verb::kList, "ls", "List the servers",
           "KEEPER, WORKER and STANDBY are process ids, UP is how long the worker runs, INC how many\n"
           "there have been, MAIL the messages waiting; CALLS/S and P99 are of the last ten\n"
           "seconds, as far as the calls went through peeperd (not a client's own channel).\n"
           "Example: peeper ls\n"
           "         peeper --json ls | jq -r '.[].server'");
  CLI::App* top = add_verb(app, fields, Verb::kTop, "top", "Watch the servers, live",
                           "Keys: c calls/s, p p99, m mailbox, x crashes, u uptime, n name, t as a\n"
                           "tree; up and down, enter to open one, escape back, q ends.\n"
                           "Example: peeper top");
  add_delay(top, fields, 100, "between two looks (default 1000)");
  add_verb(app, fields, Verb::kMetrics, "metrics", "Print all counts, as Prometheus reads them",
           "'metrics' in the configuration gives them over HTTP as well.\n"
           "Example: peeper metrics | grep peeper_calls_total");
  CLI::App* state = add_verb(app, fields, Verb::kState, "state",
                             "Print a server's state after its last committed message",
                             "Also of one that hangs, is suspended or is down. PATH leads to a\n"
                             "part of it: names, indices from 0 and keys, with dots between them; what\n"
                             "has a dot or a quote itself is quoted, as in hosts.\"a.b\".port\n"
                             "Example: peeper state counter\n"
                             "         peeper state bank accounts.42\n"
                             "         peeper --json state shop items.3.name");
  add_word(state, "SERVER", fields.server, "the server's name");
  state->add_option("PATH", fields.path, "only this part of it")->type_name("");
  CLI::App* watch =
      add_verb(app, fields, Verb::kWatch, "watch", "Print a server's state, then what changes of it",
               "Also why a worker ended. Changes that come faster are shown together, and how many\n"
               "they were is said. With --json one document a change, in lines.\n"
               "Example: peeper watch counter");
  add_word(watch, "SERVER", fields.server, "the server's name");
  add_delay(watch, fields, 1, "at least between two changes shown (default 100)");
  CLI::App* status =
      add_verb(app, fields, Verb::kStatus, "status", "Print all that is known about a server",
               "Example: peeper status counter");
  add_word(status, "SERVER", fields.server, "the server's name");
}

void add_on_or_off(CLI::App* command, Fields& fields, const char* text) {
  CLI::IsMember words({"on", "off"});
  words.description("");  // the help says so
  command->add_option("on|off", fields.on_or_off, text)->check(words)->type_name("");
}

void add_debugging(CLI::App& app, Fields& fields) {
  CLI::App* stats = add_verb(app, fields, Verb::kStatistics, "stats",
                             "Print a server's counts of messages, replies and crashes",
                             "They are off, and then no_statistics, until somebody wants them.\n"
                             "Example: peeper stats counter on\n"
                             "         peeper stats counter");
  add_word(stats, "SERVER", fields.server, "the server's name");
  add_on_or_off(stats, fields, "begin or end counting");
  CLI::App* trace = add_verb(app, fields, Verb::kTrace, "trace",
                             "Print a server's messages, replies, crashes and starts, live, or log them",
                             "Live until Ctrl-C: a thousand a second at most, and how many more there\n"
                             "were. With on or off they are in peeperd's log, at level info, and begin\n"
                             "with *DBG*. What goes through a client's own channel isn't seen.\n"
                             "Example: peeper trace counter\n"
                             "         peeper trace counter on");
  add_word(trace, "SERVER", fields.server, "the server's name");
  add_on_or_off(trace, fields, "begin or end logging");
}

void add_upgrade(CLI::App& app, Fields& fields) {
  CLI::App* upgrade =
      add_verb(app, fields, Verb::kUpgrade, "upgrade",
               "Run other code for a server's state (code_change)",
               "Messages wait meanwhile. If the new code fails at its start, the old goes on.\n"
               "PATH is what 'behaviour' could be in the configuration: a name, or a path that\n"
               "is relative to the configuration's directory. The configuration should say the\n"
               "same before peeperd is started again.\n"
               "Example: peeper upgrade counter ./counter-2.so");
  add_word(upgrade, "SERVER", fields.server, "the server's name");
  add_word(upgrade, "PATH", fields.path, "the new behaviour");
  add_milliseconds(*upgrade, fields.call_timeout_ms,
                   "how long the old code may take to end, and the\n"
                   "new one to start (default 5000)");
}

void add_crashes(CLI::App& app, Fields& fields) {
  CLI::App* crashes =
      add_verb(app, fields, Verb::kCrashes, "crashes",
               "List the last crashes, or show one with its backtrace",
               "PLACE is how often the same place has crashed. Names and lines of the backtrace\n"
               "come from addr2line, which is in the package binutils.\n"
               "Example: peeper crashes\n"
               "         peeper crashes counter show 3");
  crashes->add_option("SERVER", fields.server, "only of this server")->type_name("");
  CLI::IsMember show({"show"});
  show.description("");
  crashes->add_option("show", fields.action, "one crash, with all there is")
      ->check(show)
      ->type_name("");
  crashes->add_option("N", fields.number, "its number")->type_name("");
  crashes->parse_complete_callback([&fields] {
    if (!fields.action.empty() && fields.number.empty())
      throw CLI::ValidationError("crashes SERVER show", "needs the crash's number N");
  });
  CLI::App* letters =
      add_verb(app, fields, Verb::kDeadLetters, "deadletters",
               "List, show, retry or drop the messages whose worker died of them",
               "retry puts the message into the mailbox again; nobody gets its reply.\n"
               "Example: peeper deadletters list counter\n"
               "         peeper deadletters retry counter 2\n"
               "         peeper deadletters drop counter all");
  CLI::IsMember actions({"list", "show", "retry", "drop"});
  actions.description("");
  letters->add_option("list|show|retry|drop", fields.action, "what to do")
      ->required()
      ->check(actions)
      ->type_name("");
  add_word(letters, "SERVER", fields.server, "the server's name");
  letters->add_option("N", fields.number, "the letter's number; to drop, also \"all\"")
      ->type_name("");
  letters->parse_complete_callback([&fields] {
    if ((fields.action == "list") != fields.number.empty())
      throw CLI::ValidationError("deadletters " + fields.action,
                                 fields.number.empty() ? "needs the letter's number N"
                                                       : "takes no number");
  });
}

void add_log(CLI::App& app, Fields& fields) {
  CLI::App* log =
      add_verb(app, fields, Verb::kLog, "log",
               "Print the last lines that a server's workers wrote to stdout and stderr",
               "Of each server peeperd keeps the last ones, up to 256 KB, as long as it runs; in\n"
               "its own log they stand as well. The number behind # is the worker's incarnation.\n"
               "With --json each line is a document.\n"
               "Example: peeper log counter\n"
               "         peeper log -f -n 0");
  log->add_flag("-f,--follow", fields.options.log.follow,
                "then go on with what they write, until Ctrl-C");
  CLI::Range lines(std::uint64_t{0}, std::uint64_t{limits::kMostOutputLines});
  lines.description("");
  log->add_option("-n,--lines", fields.options.log.lines, "how many (default 100, at most 1024)")
      ->check(lines)
      ->type_name("LINES");
  log->add_option("SERVER", fields.server, "only of this server")->type_name("");
}

void add_supervision(CLI::App& app, Fields& fields) {
  const auto add = [&](Verb verb, const char* name, const char* text, const char* more) {
    CLI::App* command = add_verb(app, fields, verb, name, text, more);
    add_word(command, "NAME", fields.server, "a server's name, or a group's");
  };
  add(Verb::kStart, "start", "Start a server or a group that is stopped or down",
      "Example: peeper start counter");
  add(Verb::kStop, "stop", "Stop a server or a group: it ends in order, and stays down",
      "The state is kept. Who calls it gets DOWN, or waits if its when_down is \"queue\".\n"
      "Example: peeper stop counter");
  add(Verb::kRestart, "restart", "Stop a server or a group, if it runs, and start it",
      "Messages that wait are handled after that.\n"
      "Example: peeper restart counter");
  add_verb(app, fields, Verb::kReload, "reload", "Let peeperd read its configuration again",
           "Only what has changed is started, stopped or restarted; a file with mistakes changes\n"
           "nothing. SIGHUP to peeperd does the same, and says so in its log only.\n"
           "Example: peeper reload");
}

void add_suspension(CLI::App& app, Fields& fields) {
  CLI::App* suspend =
      add_verb(app, fields, Verb::kSuspend, "suspend",
               "Let a server handle no messages until it is resumed",
               "OK once the callback in hand has ended. Messages wait in the mailbox meanwhile;\n"
               "calls may time out. callback_timeout doesn't count. A worker that crashes or is\n"
               "restarted is followed by one that isn't suspended.\n"
               "Example: peeper suspend counter");
  add_word(suspend, "SERVER", fields.server, "the server's name");
  CLI::App* resume = add_verb(app, fields, Verb::kResume, "resume",
                              "Let a suspended server handle its messages again",
                              "Example: peeper resume counter");
  add_word(resume, "SERVER", fields.server, "the server's name");
}

void add_trials(CLI::App& app, Fields& fields) {
  CLI::App* kill = add_verb(app, fields, Verb::kKill, "kill",
                            "Kill one of a server's processes, to see it come back",
                            "Example: peeper kill counter\n"
                            "         peeper kill counter keeper SIGTERM");
  add_word(kill, "SERVER", fields.server, "the server's name");
  kill->add_option("PROCESS", fields.process, "worker (if not given), keeper or standby")
      ->type_name("");
  kill->add_option("SIGNAL", fields.signal, "by name, such as SIGSEGV (if not given, SIGKILL)")
      ->type_name("");
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
  add_upgrade(app, fields);
  add_crashes(app, fields);
  add_log(app, fields);
  add_supervision(app, fields);
  add_suspension(app, fields);
  add_system(app, fields);
  add_trials(app, fields);
  add_bench(app, fields);
  add_segments(app, fields);
  add_completion(app, fields);
}

namespace {

// Whether the option takes the next argument for its value.
bool takes_next(const CLI::App& app, const std::string& argument) {
  if (argument.find('=') != std::string::npos) return false;
  const CLI::Option* option = app.get_option_no_throw(argument);
  return option != nullptr && option->get_items_expected_max() > 0;
}

// Where the command stands; arguments.size() if nowhere.
std::size_t find_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  std::size_t i = 0;
  while (i < arguments.size() && arguments[i].starts_with('-') && arguments[i] != "--") {
    i += takes_next(app, arguments[i]) ? 2 : 1;
  }
  return std::min(i, arguments.size());
}

bool is_command(const CLI::App& app, const std::string& word) {
  const auto has_name = [&](const CLI::App* command) { return command->get_name() == word; };
  return !app.get_subcommands(has_name).empty();
}

// Is the word behind SERVER a VALUE? It is the server's as well, whatever it looks like.
bool has_value(std::string_view command) { return command == "replace-state"; }

// How many arguments CLI11 may see: all up to SERVER MESSAGE, or SERVER VALUE, of a command that has
// them. What follows is the server's, and CLI11 would take an option's look for an option.
std::size_t count_own(const CLI::App& app, const std::vector<std::string>& arguments,
                      std::size_t command_at) {
  const std::string& name = arguments[command_at];
  constexpr std::string_view kWithMessage[] = {"call", "cast", "send", "bench", "replace-state"};
  if (std::ranges::count(kWithMessage, name) == 0) return arguments.size();
  const CLI::App* command = app.get_subcommand(name);
  int words = 0;
  bool only_words = false;
  for (std::size_t i = command_at + 1; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (words == 1 && has_value(name)) return i + 1;
    if (!only_words && argument == "--") {
      only_words = true;
    } else if (!only_words && argument.size() > 1 && argument[0] == '-') {
      if (takes_next(*command, argument) || takes_next(app, argument)) ++i;
    } else if (++words == 2) {
      return i + 1;
    }
  }
  return arguments.size();
}

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
  const std::size_t command_at = find_command(app, arguments);
  std::size_t own_count = arguments.size();
  if (command_at < arguments.size()) {
    const std::string& word = arguments[command_at];
    if (!is_command(app, word)) {
      return Usage{kUsage, "peeper: no command \"" + word + "\"; see peeper --help\n"};
    }
    own_count = count_own(app, arguments, command_at);
  }
  const auto own_end = arguments.begin() + static_cast<std::ptrdiff_t>(own_count);
  std::vector<std::string> own(arguments.begin(), own_end);
  if (own_count > command_at + 2 && has_value(own[command_at]) && own.back().starts_with('-'))
    own.insert(own.end() - 1, "--");
  std::reverse(own.begin(), own.end());  // as CLI11 wants them
  try {
    app.parse(own);
  } catch (const CLI::ParseError& error) {
    std::ostringstream out;
    std::ostringstream err;
    if (app.exit(error, out, err) == 0) return Usage{kDone, out.str()};
    return Usage{kUsage, err.str()};
  }
  if (fields.options.verb == Verb::kCompletion)
    return Usage{kDone, completion_script(app, fields.shell)};
  Options options = options_of(std::move(fields));
  options.words.insert(options.words.end(), own_end, arguments.end());
  return options;
}

}  // namespace peeper::cli
