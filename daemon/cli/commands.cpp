#include "daemon/cli/commands.hpp"

#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include "common/client/client.hpp"
#include "common/limits.hpp"
#include "common/utf8.hpp"
#include "common/write_all.hpp"
#include "daemon/cli/bench.hpp"
#include "daemon/cli/follow.hpp"
#include "daemon/cli/render_crashes.hpp"
#include "daemon/cli/render_json.hpp"
#include "daemon/cli/render_log.hpp"
#include "daemon/cli/render_messages.hpp"
#include "daemon/cli/render_servers.hpp"
#include "daemon/cli/render_segments.hpp"
#include "daemon/cli/shell.hpp"
#include "daemon/cli/symbolize.hpp"
#include "daemon/cli/top.hpp"
#include "daemon/cli/trace.hpp"
#include "daemon/cli/watch.hpp"

namespace peeper::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kGrace{1000};
// The old worker may have to start first, then end, then the new one starts.
constexpr int kUpgradeSteps = 3;

// Without peeperd, whose configuration says which are needed.
constexpr std::string_view kNobodyKnowsSegments =
    " Only a running peeperd knows which segments its servers need: start it, or look for "
    "yourself: ls -l /dev/shm/peeper.*";

// Of one crash, with its backtrace?
bool is_show(const Options& options) {
  return options.verb == Verb::kCrashes && options.words.size() == 3;
}

std::string render(const Options& options, const resp::Reply& reply, Target target) {
  if (options.json && options.verb == Verb::kLog) {
    std::string lines;
    for (const resp::Reply& line : reply.elements) lines += render_json(line) + "\n";
    return lines;
  }
  if (options.json) return render_json(reply) + "\n";
  switch (options.verb) {
    case Verb::kList: return render_servers(reply, target);
    case Verb::kStatus:
    case Verb::kStatistics: return render_fields(reply, target);
    case Verb::kCrashes: return is_show(options) ? render_crash(reply, target)
                                                 : render_crashes(reply, target);
    case Verb::kLog: {
      std::string lines;
      for (const resp::Reply& line : reply.elements) lines += render_log_line(line, target);
      return lines;
    }
    case Verb::kDeadLetters:
      if (options.words.at(0) == "list") return render_letters(reply, target);
      return render_fields(reply, target);
    case Verb::kSegments: return render_segments(reply, target);
    case Verb::kMessages: return render_messages(reply, options.words.at(0), target);
    case Verb::kCall:
    case Verb::kCast:
    case Verb::kSend:
    case Verb::kState:
    case Verb::kTrace:
    case Verb::kSuspend:
    case Verb::kResume:
    case Verb::kUpgrade:
    case Verb::kKill:
    case Verb::kReplaceState:
    case Verb::kStart:
    case Verb::kStop:
    case Verb::kRestart:
    case Verb::kReload:
    case Verb::kBench:
    case Verb::kTop:
    case Verb::kShell:
    case Verb::kWatch:
    case Verb::kCompletion:
    case Verb::kPing: return render_value(reply, target);
    case Verb::kMetrics: return reply.text;
  }
  return {};
}

std::string_view failure_code(int exit_code, FailedWhen when) {
  if (exit_code == kTimedOut) return "TIMEOUT";
  return when == FailedWhen::kConnecting ? "CONNECT" : "DISCONNECTED";
}

Command message_of(const Options& options) {
  const std::string& server = options.words.at(0);
  const std::string& message = options.words.at(1);
  Command command = options.verb == Verb::kCast   ? Command::cast(server, message)
                    : options.verb == Verb::kSend ? Command::send(server, message)
                                                  : Command::call(server, message);
  for (std::size_t i = 2; i < options.words.size(); ++i) command.add_argument(options.words[i]);
  if (!options.token.empty()) command.set_token(options.token);
  return std::move(command).timeout(options.call_timeout.value_or(limits::kCallTimeout));
}

Command question_of(const Options& options, std::vector<std::string_view> words, Repeat repeat) {
  words.insert(words.end(), options.words.begin(), options.words.end());
  return Command::words(words, options.retry ? repeat : Repeat::kNever);
}

Command upgrade_of(const Options& options) {
  std::vector<std::string_view> words{"SYS", "CHANGE_CODE"};
  words.insert(words.end(), options.words.begin(), options.words.end());
  std::string timeout;
  if (options.call_timeout) {
    timeout = std::to_string(options.call_timeout->count());
    words.insert(words.end(), {"TIMEOUT", timeout});
  }
  return Command::words(words, Repeat::kNever);
}

Command bare_command(const Options& options) {
  switch (options.verb) {
    case Verb::kCall:
    case Verb::kCast:
    case Verb::kSend:
    case Verb::kBench: return message_of(options);
    case Verb::kList: return question_of(options, {"SUPERVISOR", "WHICH_CHILDREN"}, Repeat::kSafe);
    case Verb::kWatch:
    case Verb::kState: return question_of(options, {"SYS", "GET_STATE"}, Repeat::kSafe);
    case Verb::kStatus: return question_of(options, {"SYS", "GET_STATUS"}, Repeat::kSafe);
    case Verb::kStatistics: return question_of(options, {"SYS", "STATISTICS"}, Repeat::kSafe);
    case Verb::kTrace: return question_of(options, {"SYS", "TRACE"}, Repeat::kSafe);
    case Verb::kSuspend: return question_of(options, {"SYS", "SUSPEND"}, Repeat::kSafe);
    case Verb::kResume: return question_of(options, {"SYS", "RESUME"}, Repeat::kSafe);
    case Verb::kLog: return question_of(options, {"SYS", "OUTPUT"}, Repeat::kSafe);
    case Verb::kCrashes: return question_of(options, {"SYS", "CRASHES"}, Repeat::kSafe);
    case Verb::kDeadLetters:
      return question_of(options, {"SYS", "DEADLETTERS"},
                         options.words.at(0) == "list" || options.words.at(0) == "show"
                             ? Repeat::kSafe
                             : Repeat::kNever);
    case Verb::kMessages: return question_of(options, {"SYS", "MESSAGES"}, Repeat::kSafe);
    // Twice may kill two, or change what was changed.
    case Verb::kReplaceState:
      return question_of(options, {"SYS", "REPLACE_STATE"}, Repeat::kNever);
    case Verb::kKill: return question_of(options, {"SYS", "KILL"}, Repeat::kNever);
    case Verb::kUpgrade: return upgrade_of(options);
    // To start what runs is an error, to stop what doesn't isn't.
    case Verb::kRestart:
    case Verb::kStart:
      return question_of(options, {"SUPERVISOR", "RESTART_CHILD"}, Repeat::kNever);
    case Verb::kStop: return question_of(options, {"SUPERVISOR", "TERMINATE_CHILD"}, Repeat::kSafe);
    case Verb::kReload: return question_of(options, {"SUPERVISOR", "RELOAD"}, Repeat::kSafe);
    case Verb::kTop: return question_of(options, {"SUPERVISOR", "WHICH_CHILDREN"}, Repeat::kSafe);
    case Verb::kMetrics: return question_of(options, {"SYS", "METRICS"}, Repeat::kSafe);
    // The second answer would not say what the first one has removed.
    case Verb::kSegments:
      return question_of(options, {"SYS", "SEGMENTS"},
                         options.prune ? Repeat::kNever : Repeat::kSafe);
    case Verb::kCompletion:
    case Verb::kShell:
    case Verb::kPing: break;
  }
  return question_of(options, {"PING"}, Repeat::kSafe);
}

}  // namespace

ClientOptions client_options(const Options& options) {
  return {.socket = options.socket,
          .timeout = waiting_time(options),
          .tokens = options.retry ? Tokens::kMade : Tokens::kNone};
}

ClientOptions following_options(const Options& options) {
  ClientOptions following = client_options(options);
  // A pause that is longer than anybody waits.
  if (!options.retry) following.first_pause = following.longest_pause = std::chrono::hours{24};
  return following;
}

Command wire_command(const Options& options) {
  return bare_command(options).patience(waiting_time(options));
}

milliseconds waiting_time(const Options& options) {
  if (options.wait) return *options.wait;
  const milliseconds step = options.call_timeout.value_or(limits::kCallTimeout);
  return (options.verb == Verb::kUpgrade ? kUpgradeSteps * step : step) + kGrace;
}

Output output_for(const Options& options, const resp::Reply& reply, Targets targets) {
  if (!reply.is_error()) return {render(options, reply, targets.out), "", kDone};
  const int exit_code = error_parts(reply.text).code == "TIMEOUT" ? kTimedOut : kServerError;
  if (options.json) return {render_json(reply) + "\n", "", exit_code};
  return {"", render_error(reply.text, targets.err), exit_code};
}

Output output_for(const Options& options, const Failure& failure, FailedWhen when,
                  Targets targets) {
  const int exit_code = failure.system_error == ETIMEDOUT ? kTimedOut : kNoConnection;
  std::string what = failure.what;
  if (options.verb == Verb::kSegments && when == FailedWhen::kConnecting)
    what += kNobodyKnowsSegments;
  if (options.json) {
    return {render_json_error(failure_code(exit_code, when), what) + "\n", "", exit_code};
  }
  const bool escapes = targets.err == Target::kTerminal;
  return {"", "peeper: " + (escapes ? escape_control(what) : what) + "\n", exit_code};
}

Output output_for_write(int error) {
  if (error == EPIPE) return {};
  return {"", system_failure("peeper: cannot write the output", error).what + "\n", kCannotWrite};
}

Output run(const Options& options, Targets targets) {
  if (options.verb == Verb::kBench) return run_bench(options, targets);
  const auto write = [](std::string_view text) { return write_all(STDOUT_FILENO, text); };
  if (options.verb == Verb::kLog && options.log.follow) return follow_log(options, targets, write);
  if (options.verb == Verb::kTrace && options.words.size() == 1)
    return follow_trace(options, targets, write);
  if (options.verb == Verb::kTop) return run_top(options, targets);
  if (options.verb == Verb::kShell) return run_shell(options, targets);
  if (options.verb == Verb::kWatch) return run_watch(options, targets, write);
  Result<Client> client = Client::connect(client_options(options));
  if (!client) return output_for(options, client.error(), FailedWhen::kConnecting, targets);
  if (options.verb == Verb::kRestart) {
    Options stop = options;
    stop.verb = Verb::kStop;
    const Result<resp::Reply> stopped = client->run(wire_command(stop));
    if (!stopped) return output_for(options, stopped.error(), FailedWhen::kAsking, targets);
    if (stopped->is_error()) return output_for(options, *stopped, targets);
  }
  Result<resp::Reply> reply = client->run(wire_command(options));
  if (!reply) return output_for(options, reply.error(), FailedWhen::kAsking, targets);
  if (is_show(options)) add_symbols(*reply);
  return output_for(options, *reply, targets);
}

}  // namespace peeper::cli
