#include "daemon/commands.hpp"

#include <algorithm>
#include <array>
#include <charconv>

#include "common/limits.hpp"
#include "daemon/command_text.hpp"

namespace peeper::daemon {

using segment::MessageType;

// What CALL, CAST and SEND have in common: options, then server, message, arguments.
struct Commands::Call {
  std::chrono::milliseconds timeout = limits::kCallTimeout;
  std::string_view server;
  Arguments strings;
  std::string error;  // a RESP3 error; empty if well-formed

  Call(Arguments arguments, std::string_view usage_text) {
    arguments = arguments.subspan(1);
    while (arguments.size() >= 2) {
      if (same_word(arguments[0], "TIMEOUT")) {
        std::int64_t ms = 0;
        const std::string_view text = arguments[1];
        const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), ms);
        if (bad != std::errc{} || end != text.data() + text.size() || ms < 1 ||
            ms > limits::kMostCallTimeout.count()) {
          error = error_value("BADARG TIMEOUT takes milliseconds from 1 to " +
                              std::to_string(limits::kMostCallTimeout.count()) + ", not " +
                              quoted(text));
          return;
        }
        timeout = std::chrono::milliseconds{ms};
      } else if (same_word(arguments[0], "ID")) {
        error = error_value("BADARG ID is not supported yet by this version: leave it out");
        return;
      } else {
        break;
      }
      arguments = arguments.subspan(2);
    }
    if (arguments.size() < 2) {
      error = usage(usage_text);
      return;
    }
    server = arguments[0];
    strings = arguments.subspan(1);
  }
};

std::span<const Commands::Entry> Commands::table() {
  static constexpr std::array kTable{
      Entry{"CALL", &Commands::call, -3},       Entry{"CAST", &Commands::cast, -3},
      Entry{"SEND", &Commands::send, -3},       Entry{"USE", &Commands::use, 2},
      Entry{"SUPERVISOR", &Commands::supervisor, -2}, Entry{"SYS", &Commands::sys, -3},
      Entry{"PING", &Commands::ping, -1},       Entry{"ECHO", &Commands::echo, 2},
      Entry{"HELLO", &Commands::hello, -1},     Entry{"INFO", &Commands::info, -1},
      Entry{"COMMAND", &Commands::command, -1}, Entry{"CLIENT", &Commands::client, -2},
      Entry{"QUIT", &Commands::quit, -1},
  };
  return kTable;
}

const Commands::Entry* Commands::find(std::string_view name) {
  for (const Entry& entry : table())
    if (same_word(entry.name, name)) return &entry;
  return nullptr;
}

Server* Servers::find(std::string_view name) const {
  for (const auto& server : servers_)
    if (server->name() == name) return server.get();
  return nullptr;
}

Outcome Commands::run(Session& session, Arguments arguments, Instant deadline_start) {
  ++facts_.commands;
  const Entry* entry = find(arguments[0]);
  if (entry == nullptr) {
    if (!session.used.empty())
      return run_call(session, session.used, MessageType::kCall, arguments,
                      deadline_start + limits::kCallTimeout);
    session.reply(error_value("ERR unknown command " + quoted(arguments[0]) +
                              "; COMMAND lists those there are, USE makes a server's messages "
                              "commands"));
    return Outcome::kDone;
  }
  const auto count = static_cast<int>(arguments.size());
  if (entry->arity >= 0 ? count != entry->arity : count < -entry->arity) {
    std::string name(entry->name);
    std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c + 32; });
    session.reply(error_value("ERR wrong number of arguments for '" + name + "' command"));
    return Outcome::kDone;
  }
  return (this->*entry->run)(session, arguments, deadline_start);
}

Commands::Patience Commands::patience(Arguments arguments, Instant deadline_start) const {
  const Entry* entry = find(arguments[0]);
  std::chrono::milliseconds timeout = limits::kCallTimeout;
  if (entry != nullptr && (entry->name == "CALL" || entry->name == "CAST" || entry->name == "SEND"))
    timeout = Call{arguments, ""}.timeout;
  return {deadline_start + timeout,
          error_value("TIMEOUT the mailbox stayed full; the message was not accepted")};
}

// --- Messages ------------------------------------------------------------------------------------

Outcome Commands::run_call(Session& session, std::string_view name, MessageType type,
                           Arguments strings, Instant deadline) {
  Server* server = servers_.find(name);
  if (server == nullptr) {
    session.reply(no_server(name));
    return Outcome::kDone;
  }
  const auto sent = server->send(type, strings, session.reserve_reply(), deadline);
  if (sent == Server::Sent::kDone) return Outcome::kDone;
  session.cancel_reply();
  if (sent == Server::Sent::kFull && server->blocks_when_full()) {
    server->wait_for_room(session.as_room_waiter());
    return Outcome::kBusy;
  }
  switch (sent) {
    case Server::Sent::kDone: break;
    case Server::Sent::kFull:
      session.reply(error_value("BUSY " + std::string(name) + ": its mailbox is full"));
      break;
    case Server::Sent::kTooBig: session.reply(error_value(server->too_big_text())); break;
    case Server::Sent::kDown: session.reply(error_value(server->down_text())); break;
  }
  return Outcome::kDone;
}

Outcome Commands::call(Session& session, Arguments arguments, Instant start) {
  const Call call{arguments, "CALL [TIMEOUT ms] server message [arg ...]"};
  if (!call.error.empty()) {
    session.reply(call.error);
    return Outcome::kDone;
  }
  return run_call(session, call.server, MessageType::kCall, call.strings, start + call.timeout);
}

Outcome Commands::run_oneway(Session& session, Arguments arguments, MessageType type) {
  const Call call{arguments, std::string(arguments[0]) + " server message [arg ...]"};
  if (!call.error.empty()) {
    session.reply(call.error);
    return Outcome::kDone;
  }
  Server* server = servers_.find(call.server);
  if (server == nullptr) {
    session.reply(no_server(call.server));
    return Outcome::kDone;
  }
  switch (server->send(type, call.strings)) {
    case Server::Sent::kDone: session.reply(status_value("OK")); break;
    case Server::Sent::kTooBig: session.reply(error_value(server->too_big_text())); break;
    case Server::Sent::kDown: session.reply(error_value(server->down_text())); break;
    case Server::Sent::kFull:
      if (server->blocks_when_full()) {
        server->wait_for_room(session.as_room_waiter());
        return Outcome::kBusy;
      }
      session.reply(error_value("BUSY " + server->name() + ": its mailbox is full"));
  }
  return Outcome::kDone;
}

Outcome Commands::cast(Session& session, Arguments arguments, Instant) {
  return run_oneway(session, arguments, MessageType::kCast);
}

Outcome Commands::send(Session& session, Arguments arguments, Instant) {
  return run_oneway(session, arguments, MessageType::kInfo);
}

Outcome Commands::use(Session& session, Arguments arguments, Instant) {
  if (servers_.find(arguments[1]) == nullptr) {
    session.reply(no_server(arguments[1]));
  } else {
    session.used = arguments[1];
    session.reply(status_value("OK"));
  }
  return Outcome::kDone;
}

}  // namespace peeper::daemon
