#include "daemon/cli/commands.hpp"

#include <cerrno>
#include <string_view>

#include "common/client.hpp"
#include "common/limits.hpp"
#include "daemon/cli/render_json.hpp"

namespace peeper::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kGrace{1000};

std::string render(const Options& options, const resp::Reply& reply, Target target) {
  if (options.json) return render_json(reply) + "\n";
  switch (options.verb) {
    case Verb::kList: return render_children(reply, target);
    case Verb::kStatus: return render_fields(reply, target);
    case Verb::kCall:
    case Verb::kCast:
    case Verb::kSend:
    case Verb::kState:
    case Verb::kKill:
    case Verb::kPing: return render_value(reply, target);
  }
  return {};
}

std::string_view failure_code(int exit_code, FailedWhen when) {
  if (exit_code == kTimedOut) return "TIMEOUT";
  return when == FailedWhen::kConnecting ? "CONNECT" : "DISCONNECTED";
}

std::string failure_sentence(const Options& options, const Failure& failure, FailedWhen when) {
  if (when == FailedWhen::kConnecting) return failure.what;
  const std::string unknown = "; the command may or may not have been carried out";
  if (failure.system_error == ETIMEDOUT) {
    return "no answer within " + std::to_string(waiting_time(options).count()) + " ms" + unknown;
  }
  return "connection lost: " + failure.what + unknown;
}

Result<resp::Reply> ask(Client& client, const Options& options) {
  const std::vector<std::string> words = wire_command(options);
  const std::vector<std::string_view> arguments(words.begin(), words.end());
  Result<resp::Reply> hello = client.hello(3, waiting_time(options));
  if (!hello || hello->is_error()) return hello;
  return client.command(arguments, waiting_time(options));
}

}  // namespace

std::vector<std::string> wire_command(const Options& options) {
  std::vector<std::string> words;
  switch (options.verb) {
    case Verb::kCall:
      words = {"CALL"};
      if (options.call_timeout) {
        words.insert(words.end(), {"TIMEOUT", std::to_string(options.call_timeout->count())});
      }
      break;
    case Verb::kCast: words = {"CAST"}; break;
    case Verb::kSend: words = {"SEND"}; break;
    case Verb::kList: words = {"SUPERVISOR", "WHICH_CHILDREN"}; break;
    case Verb::kState: words = {"SYS", "GET_STATE"}; break;
    case Verb::kStatus: words = {"SYS", "GET_STATUS"}; break;
    case Verb::kKill: words = {"SYS", "KILL"}; break;
    case Verb::kPing: words = {"PING"}; break;
  }
  words.insert(words.end(), options.words.begin(), options.words.end());
  return words;
}

milliseconds waiting_time(const Options& options) {
  if (options.wait) return *options.wait;
  return options.call_timeout.value_or(limits::kCallTimeout) + kGrace;
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
  const std::string sentence = failure_sentence(options, failure, when);
  if (options.json) {
    return {render_json_error(failure_code(exit_code, when), sentence) + "\n", "", exit_code};
  }
  const bool escapes = targets.err == Target::kTerminal;
  return {"", "peeper: " + (escapes ? escape_control(sentence) : sentence) + "\n", exit_code};
}

Output run(const Options& options, Targets targets) {
  Result<Client> client = Client::connect(options.socket, waiting_time(options));
  if (!client) return output_for(options, client.error(), FailedWhen::kConnecting, targets);
  const Result<resp::Reply> reply = ask(*client, options);
  if (!reply) return output_for(options, reply.error(), FailedWhen::kAsking, targets);
  return output_for(options, *reply, targets);
}

}  // namespace peeper::cli
