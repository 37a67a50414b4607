#include "daemon/commands/commands.hpp"

#include <algorithm>
#include <array>

#include "common/limits.hpp"
#include "daemon/commands/message_command.hpp"
#include "daemon/values/command_text.hpp"

namespace peeper::daemon {

using segment::MessageType;

std::span<const Commands::Entry> Commands::table() {
  static constexpr std::array kTable{
      Entry{"CALL", &Commands::call, -3},       Entry{"CAST", &Commands::cast, -3},
      Entry{"SEND", &Commands::send, -3},       Entry{"USE", &Commands::use, 2},
      Entry{"SUPERVISOR", &Commands::supervisor, -2}, Entry{"SYS", &Commands::sys, -2},
      Entry{"CHANNEL", &Commands::channel, -2}, Entry{"SUBSCRIBE", &Commands::subscribe, -2},
      Entry{"UNSUBSCRIBE", &Commands::unsubscribe, -1},
      Entry{"PING", &Commands::ping, -1},       Entry{"ECHO", &Commands::echo, 2},
      Entry{"HELLO", &Commands::hello, -1},     Entry{"INFO", &Commands::info, -1},
      Entry{"COMMAND", &Commands::command, -1}, Entry{"CLIENT", &Commands::client, -2},
      Entry{"RESET", &Commands::reset, 1},      Entry{"QUIT", &Commands::quit, -1},
  };
  return kTable;
}

const Commands::Entry* Commands::find(std::string_view name) {
  for (const Entry& entry : table())
    if (same_word(entry.name, name)) return &entry;
  return nullptr;
}

// In RESP2 a message of a channel looks like a reply, so a connection that listens gets no others.
bool Commands::is_refused_while_subscribed(const Session& session, const Entry* entry) {
  if (session.channels == 0 || session.protocol == Protocol::kResp3) return false;
  static constexpr std::array kAllowed{&Commands::subscribe, &Commands::unsubscribe,
                                       &Commands::ping, &Commands::reset, &Commands::quit};
  return entry == nullptr || std::ranges::find(kAllowed, entry->run) == kAllowed.end();
}

Outcome Commands::run(Session& session, Arguments arguments, Instant deadline_start) {
  ++facts_.commands;
  const Entry* entry = find(arguments[0]);
  const bool is_refused = is_refused_while_subscribed(session, entry);
  if (entry == nullptr) {
    const std::string& used = session.used.empty() ? used_ : session.used;
    if (!used.empty() && !is_refused)
      return run_call(
          session, used,
          {.type = MessageType::kCall, .pid = session.pid, .strings = arguments},
          deadline_start, limits::kCallTimeout);
    session.reply(error_value("ERR unknown command " + quoted(arguments[0]) +
                              "; COMMAND lists those there are, USE makes a server's messages "
                              "commands"));
    return Outcome::kDone;
  }
  const auto count = static_cast<int>(arguments.size());
  if (entry->arity >= 0 ? count != entry->arity : count < -entry->arity) {
    session.reply(error_value("ERR wrong number of arguments for '" + lower_case(entry->name) +
                              "' command"));
    return Outcome::kDone;
  }
  if (is_refused) {
    session.reply(error_value("ERR Can't execute '" + lower_case(entry->name) +
                              "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
                              "allowed in this context"));
    return Outcome::kDone;
  }
  return (this->*entry->run)(session, arguments, deadline_start);
}

Commands::Patience Commands::patience(Arguments arguments, Instant deadline_start) const {
  const Entry* entry = find(arguments[0]);
  std::chrono::milliseconds timeout = limits::kCallTimeout;
  if (entry != nullptr && (entry->name == "CALL" || entry->name == "CAST" || entry->name == "SEND"))
    timeout = MessageCommand{arguments, ""}.timeout;
  return {deadline_start + timeout,
          error_value("TIMEOUT the mailbox stayed full; the message was not accepted")};
}

void Commands::note_given_up(Arguments arguments, std::string_view error) {
  const MessageCommand command{arguments, ""};
  if (Server* server = servers_.find(command.server)) server->note_error(error);
}

// --- Messages ------------------------------------------------------------------------------------

// What was not accepted, nor is to wait.
void Commands::refuse(Session& session, Server& server, Server::Sent sent) {
  std::string text;
  switch (sent) {
    case Server::Sent::kDone: return;
    case Server::Sent::kFull: text = "BUSY " + server.name() + ": its mailbox is full"; break;
    case Server::Sent::kTooBig: text = server.too_big_text(); break;
    case Server::Sent::kDown: text = server.down_text(); break;
  }
  const std::string value = error_value(text);
  server.note_error(value);
  session.reply(value);
}

Outcome Commands::run_call(Session& session, std::string_view name, const Message& message,
                           Instant start, std::chrono::milliseconds timeout) {
  Server* server = servers_.find(name);
  if (server == nullptr) {
    session.reply(no_server(name));
    return Outcome::kDone;
  }
  ReplyTarget target = session.reserve_reply();
  target.since = start;
  target.is_system = segment::is_system(message.type);
  const auto sent = server->send(message, std::move(target), start + timeout);
  if (sent == Server::Sent::kDone) {
    if (server->debug().on())
      server->debug().message_in(message.type, message.without_token(), client_text(session));
    return Outcome::kDone;
  }
  session.cancel_reply();
  if (sent == Server::Sent::kFull && server->blocks_when_full()) {
    server->wait_for_room(session.as_room_waiter());
    return Outcome::kBusy;
  }
  refuse(session, *server, sent);
  return Outcome::kDone;
}

Outcome Commands::call(Session& session, Arguments arguments, Instant start) {
  const MessageCommand call{arguments, "CALL [TIMEOUT ms] [ID token] server message [arg ...]"};
  if (!call.error.empty()) {
    session.reply(call.error);
    return Outcome::kDone;
  }
  return run_call(
      session, call.server,
      {.type = MessageType::kCall,
       .flags = call.flags,
       .pid = session.pid,
       .strings = call.strings()},
      start, call.timeout);
}

Outcome Commands::run_oneway(Session& session, Arguments arguments, MessageType type) {
  const MessageCommand call{
      arguments, std::string(arguments[0]) + " [TIMEOUT ms] [ID token] server message [arg ...]"};
  if (!call.error.empty()) {
    session.reply(call.error);
    return Outcome::kDone;
  }
  Server* server = servers_.find(call.server);
  if (server == nullptr) {
    session.reply(no_server(call.server));
    return Outcome::kDone;
  }
  const Message message{
      .type = type, .flags = call.flags, .pid = session.pid, .strings = call.strings()};
  const auto sent = server->send(message);
  switch (sent) {
    case Server::Sent::kDone:
      if (server->debug().on())
        server->debug().message_in(message.type, message.without_token(), client_text(session));
      session.reply(status_value("OK"));
      return Outcome::kDone;
    case Server::Sent::kFull:
      if (server->blocks_when_full()) {
        server->wait_for_room(session.as_room_waiter());
        return Outcome::kBusy;
      }
      break;
    case Server::Sent::kTooBig:
    case Server::Sent::kDown: break;
  }
  refuse(session, *server, sent);
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
