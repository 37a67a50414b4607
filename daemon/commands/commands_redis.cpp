// What Redis clients expect to find.
#include <unistd.h>

#include <optional>

#include "daemon/commands/commands.hpp"
#include "daemon/values/command_text.hpp"

namespace peeper::daemon {

Outcome Commands::ping(Session& session, Arguments arguments, Instant) {
  if (session.channels > 0 && session.protocol == Protocol::kResp2) {
    std::string value;
    resp::append_array(value, 2);
    resp::append_bulk(value, "pong");
    resp::append_bulk(value, arguments.size() > 1 ? arguments[1] : "");
    session.reply(value);
    return Outcome::kDone;
  }
  session.reply(arguments.size() > 1 ? bulk_value(arguments[1]) : status_value("PONG"));
  return Outcome::kDone;
}

// How redis-cli --pipe learns that all of its commands were answered.
Outcome Commands::echo(Session& session, Arguments arguments, Instant) {
  session.reply(bulk_value(arguments[1]));
  return Outcome::kDone;
}

Outcome Commands::hello(Session& session, Arguments arguments, Instant) {
  const auto fail = [&](std::string_view text) {
    session.reply(error_value(text));
    return Outcome::kDone;
  };
  Protocol protocol = session.protocol;
  std::optional<std::string_view> name;
  if (arguments.size() > 1) {
    if (arguments[1] != "2" && arguments[1] != "3")
      return fail("NOPROTO unsupported protocol version");
    protocol = arguments[1] == "2" ? Protocol::kResp2 : Protocol::kResp3;
    for (std::size_t i = 2; i < arguments.size();) {
      if (same_word(arguments[i], "SETNAME") && i + 1 < arguments.size()) {
        name = arguments[i + 1];
        i += 2;
      } else if (same_word(arguments[i], "AUTH") && i + 2 < arguments.size()) {
        return fail("DENIED there are no users here: the socket's rights decide who may connect");
      } else {
        return fail("ERR syntax error in HELLO");
      }
    }
  }
  session.protocol = protocol;
  if (name) session.name = *name;
  MapValue map;
  map.text("server", "peeper")
      .text("version", facts_.version)
      .number("proto", static_cast<int>(protocol))
      .number("id", static_cast<std::int64_t>(session.id))
      .text("mode", "standalone")
      .text("role", "master");
  std::string none;
  resp::append_array(none, 0);
  map.value("modules", none);
  session.reply(map.take());
  return Outcome::kDone;
}

Outcome Commands::info(Session& session, Arguments, Instant) {
  const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::steady_clock::now() - facts_.started);
  std::string text = "# Server\r\npeeper_version:" + facts_.version +
                     "\r\nprocess_id:" + std::to_string(::getpid()) +
                     "\r\ninstance:" + facts_.instance +
                     "\r\nuptime_in_seconds:" + std::to_string(uptime.count()) +
                     "\r\nconfig_file:" + facts_.config_file +
                     "\r\n\r\n# Clients\r\nconnected_clients:" +
                     std::to_string(facts_.connections) +
                     "\r\n\r\n# Stats\r\ntotal_connections_received:" +
                     std::to_string(facts_.connections_received) +
                     "\r\ntotal_commands_processed:" + std::to_string(facts_.commands) +
                     "\r\npubsub_channels:" + std::to_string(subscriptions_.channels()) +
                     "\r\n\r\n# Servers\r\n";
  for (const auto& server : servers_.all()) {
    const Server::Facts facts = server->facts();
    text += server->name() + ":state=" + std::string(facts.state) +
            ",crashes=" + std::to_string(facts.crashes) +
            ",mailbox=" + std::to_string(facts.mailbox) + "\r\n";
  }
  session.reply(bulk_value(text));
  return Outcome::kDone;
}

Outcome Commands::command(Session& session, Arguments arguments, Instant) {
  std::string value;
  if (arguments.size() > 1 && same_word(arguments[1], "COUNT")) {
    resp::append_integer(value, static_cast<std::int64_t>(table().size()));
  } else if (arguments.size() > 1 && same_word(arguments[1], "DOCS")) {
    resp::append_map(value, 0);
  } else {
    // As Redis describes a command: name, arity, flags, first key, last key, step.
    resp::append_array(value, table().size());
    for (const Entry& entry : table()) {
      resp::append_array(value, 6);
      resp::append_bulk(value, lower_case(entry.name));
      resp::append_integer(value, entry.arity);
      resp::append_array(value, 0);
      for (int i = 0; i < 3; ++i) resp::append_integer(value, 0);
    }
  }
  session.reply(value);
  return Outcome::kDone;
}

Outcome Commands::client(Session& session, Arguments arguments, Instant) {
  const std::string_view verb = arguments[1];
  std::string value;
  if (same_word(verb, "SETNAME") && arguments.size() == 3) {
    session.name = segment::printable(arguments[2], 64);
    value = status_value("OK");
  } else if (same_word(verb, "GETNAME") && arguments.size() == 2) {
    value = bulk_value(session.name);
  } else if (same_word(verb, "ID") && arguments.size() == 2) {
    value = integer_value(static_cast<std::int64_t>(session.id));
  } else if (same_word(verb, "SETINFO") && arguments.size() == 4) {
    value = status_value("OK");
  } else {
    value = usage("CLIENT SETNAME name | CLIENT GETNAME | CLIENT ID | CLIENT SETINFO key value");
  }
  session.reply(value);
  return Outcome::kDone;
}

// The connection as it was at its beginning.
Outcome Commands::reset(Session& session, Arguments, Instant) {
  leave(session);
  session.protocol = Protocol::kResp2;
  session.name.clear();
  session.used.clear();
  session.reply(status_value("RESET"));
  return Outcome::kDone;
}

Outcome Commands::quit(Session& session, Arguments, Instant) {
  session.reply(status_value("OK"));
  return Outcome::kClose;
}

}  // namespace peeper::daemon
