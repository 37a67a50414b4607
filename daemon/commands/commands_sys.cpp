// SYS, as far as it is OTP's suspend and resume, replace_state, code change, and sys debug options.
#include <vector>

#include "common/limits.hpp"
#include "daemon/commands/commands.hpp"
#include "daemon/values/command_text.hpp"
#include "daemon/values/time_text.hpp"

namespace peeper::daemon {
namespace {

constexpr std::chrono::milliseconds kCodeChangeTimeout{5'000};  // OTP's sys:change_code

std::optional<Switch> switch_of(std::string_view word) {
  if (same_word(word, "on")) return Switch::kOn;
  if (same_word(word, "off")) return Switch::kOff;
  return std::nullopt;
}

// Everything that can be wrong before the server is touched. An error as RESP3, or none.
struct CodeChange {
  Upgrade upgrade;
  std::string error;

  CodeChange(const Server& server, std::span<const std::string_view> words) {
    constexpr std::string_view kUsage = "SYS CHANGE_CODE server path [TIMEOUT ms]";
    upgrade.timeout = kCodeChangeTimeout;
    if (words.size() != 1 && (words.size() != 3 || !same_word(words[1], "TIMEOUT"))) {
      error = usage(kUsage);
      return;
    }
    if (words.size() == 3) {
      const auto ms = whole_number(words[2]);
      if (!ms || *ms < 1 || *ms > limits::kMostCallTimeout.count()) {
        error = error_value("BADARG TIMEOUT takes milliseconds from 1 to " +
                            std::to_string(limits::kMostCallTimeout.count()) + ", not " +
                            quoted(words[2]));
        return;
      }
      upgrade.timeout = std::chrono::milliseconds{*ms};
    }
    if (!server.is_running()) {
      error = error_value(server.down_text());
    } else if (server.is_changing_code()) {
      error = error_value("BUSY " + server.name() + ": another code change is under way");
    } else {
      upgrade.behaviour = words[0];
      auto library = find_new_code(upgrade.behaviour, server.search_path());
      if (library)
        upgrade.library = *std::move(library);
      else
        error = error_value("BADARG " + library.error().what);
    }
  }
};

}  // namespace

Outcome Commands::sys_suspend(Session& session, Arguments arguments) {
  Server* server = servers_.find(arguments[2]);
  if (server == nullptr) {
    session.reply(no_server(arguments[2]));
  } else if (!server->is_running()) {
    session.reply(error_value(server->down_text()));
  } else if (same_word(arguments[1], "SUSPEND")) {
    server->suspend(session.reserve_reply());
  } else {
    server->resume();
    session.reply(status_value("OK"));
  }
  return Outcome::kDone;
}

// As a call of the behaviour's, but that a suspended server handles it too.
Outcome Commands::sys_replace_state(Session& session, Arguments arguments, Instant start) {
  // The name stands in for a message's, where one is shown.
  std::vector<std::string_view> strings{"sys replace_state"};
  strings.insert(strings.end(), arguments.begin() + 3, arguments.end());
  return run_call(
      session, arguments[2],
      {.type = segment::MessageType::kReplaceState, .pid = session.pid, .strings = strings}, start,
      limits::kCallTimeout);
}

Outcome Commands::sys_messages(Session& session, Arguments arguments) {
  if (Server* server = servers_.find(arguments[2]))
    server->list_messages(session.reserve_reply());
  else
    session.reply(no_server(arguments[2]));
  return Outcome::kDone;
}

Outcome Commands::sys_change_code(Session& session, Arguments arguments) {
  Server* server = servers_.find(arguments[2]);
  if (server == nullptr) {
    session.reply(no_server(arguments[2]));
    return Outcome::kDone;
  }
  CodeChange change{*server, arguments.subspan(3)};
  if (!change.error.empty()) {
    session.reply(change.error);
    return Outcome::kDone;
  }
  change.upgrade.caller = session.reserve_reply();
  server->change_code(std::move(change.upgrade));
  return Outcome::kDone;
}

Outcome Commands::sys_trace(Session& session, Arguments arguments) {
  const auto to = arguments.size() == 4 ? switch_of(arguments[3]) : std::nullopt;
  Server* server = servers_.find(arguments[2]);
  if (server == nullptr) {
    session.reply(no_server(arguments[2]));
  } else if (!to) {
    session.reply(usage("SYS TRACE server on|off"));
  } else {
    server->debug().set_trace(*to);
    session.reply(status_value("OK"));
  }
  return Outcome::kDone;
}

Outcome Commands::sys_statistics(Session& session, Arguments arguments) {
  const auto to = arguments.size() == 4 ? switch_of(arguments[3]) : std::nullopt;
  Server* server = servers_.find(arguments[2]);
  if (server == nullptr) {
    session.reply(no_server(arguments[2]));
  } else if (to) {
    server->debug().set_statistics(*to);
    session.reply(status_value("OK"));
  } else if (arguments.size() != 3) {
    session.reply(usage("SYS STATISTICS server [on|off]"));
  } else if (const auto& counts = server->debug().statistics()) {
    session.reply(MapValue{}
                      .text("start_time", time_text(counts->start_time))
                      .text("current_time", time_text(Debug::Clock::now()))
                      .number("messages_in", static_cast<std::int64_t>(counts->messages_in))
                      .number("messages_out", static_cast<std::int64_t>(counts->messages_out))
                      .number("crashes", static_cast<std::int64_t>(counts->crashes))
                      .take());
  } else {
    session.reply(status_value("no_statistics"));  // OTP's word: they are off
  }
  return Outcome::kDone;
}

Outcome Commands::sys_log(Session& session, Arguments arguments) {
  Server* server = servers_.find(arguments[2]);
  if (server == nullptr) {
    session.reply(no_server(arguments[2]));
    return Outcome::kDone;
  }
  Debug& debug = server->debug();
  std::string value;
  if (arguments.size() == 3) {
    resp::append_array(value, debug.log().size());
    for (const std::string& event : debug.log()) resp::append_bulk(value, event);
  } else if (arguments.size() > 4) {
    value = usage("SYS LOG server [on|off|events]");
  } else if (const auto to = switch_of(arguments[3])) {
    debug.set_log(*to == Switch::kOn ? kDebugLogEvents : 0);
    value = status_value("OK");
  } else {
    const auto events = whole_number(arguments[3]);
    if (events && *events >= 1 && *events <= static_cast<std::int64_t>(kMostDebugLogEvents)) {
      debug.set_log(static_cast<std::size_t>(*events));
      value = status_value("OK");
    } else {
      value = error_value("BADARG LOG takes on, off, or how many events to keep, from 1 to " +
                          std::to_string(kMostDebugLogEvents) + ", not " + quoted(arguments[3]));
    }
  }
  session.reply(value);
  return Outcome::kDone;
}

}  // namespace peeper::daemon
