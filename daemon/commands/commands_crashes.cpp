// SYS CRASHES and SYS DEADLETTERS.
#include <algorithm>

#include "daemon/commands/commands.hpp"
#include "daemon/values/command_text.hpp"

namespace peeper::daemon {
namespace {

constexpr std::string_view kCrashesUsage = "SYS CRASHES [server [SHOW number]]";
constexpr std::string_view kLettersUsage =
    "SYS DEADLETTERS LIST server | SYS DEADLETTERS SHOW server number | "
    "SYS DEADLETTERS RETRY server number | SYS DEADLETTERS DROP server number|ALL";

std::string array_of(const std::vector<std::string>& values) {
  std::string array;
  resp::append_array(array, values.size());
  for (const std::string& value : values) array += value;
  return array;
}

std::string no_crash(const Server& server, std::string_view number) {
  return error_value("BADARG " + server.name() + " has no crash " + quoted(number) +
                     "; SYS CRASHES " + server.name() + " lists those that are kept");
}

std::string no_letter(const Server& server, std::string_view number) {
  return error_value("BADARG " + server.name() + " has no dead letter " + quoted(number) +
                     "; SYS DEADLETTERS LIST " + server.name() + " lists those there are");
}

// 0: it is none.
std::uint64_t number_of(std::string_view word) {
  const auto number = whole_number(word);
  return number && *number > 0 ? static_cast<std::uint64_t>(*number) : 0;
}

}  // namespace

Outcome Commands::sys_crashes(Session& session, Arguments arguments) {
  if (arguments.size() == 2) {
    std::vector<std::string> all;
    for (const auto& server : servers_.all()) {
      auto crashes = server->crashes();
      all.insert(all.end(), crashes.begin(), crashes.end());
    }
    session.reply(array_of(all));
    return Outcome::kDone;
  }
  Server* server = servers_.find(arguments[2]);
  if (server == nullptr) {
    session.reply(no_server(arguments[2]));
  } else if (arguments.size() == 3) {
    session.reply(array_of(server->crashes()));
  } else if (arguments.size() != 5 || !same_word(arguments[3], "SHOW")) {
    session.reply(usage(kCrashesUsage));
  } else {
    const auto crash = server->crash(number_of(arguments[4]));
    session.reply(crash ? *crash : no_crash(*server, arguments[4]));
  }
  return Outcome::kDone;
}

Outcome Commands::sys_dead_letters(Session& session, Arguments arguments) {
  if (arguments.size() < 4) {
    session.reply(usage(kLettersUsage));
    return Outcome::kDone;
  }
  const std::string_view what = arguments[2];
  Server* server = servers_.find(arguments[3]);
  const bool has_number = arguments.size() == 5;
  const std::string_view word = has_number ? arguments[4] : "";
  const std::uint64_t number = number_of(word);
  if (server == nullptr) {
    session.reply(no_server(arguments[3]));
  } else if (same_word(what, "LIST") && arguments.size() == 4) {
    session.reply(array_of(server->letters()));
  } else if (same_word(what, "SHOW") && has_number) {
    const auto letter = server->letter(number);
    session.reply(letter ? *letter : no_letter(*server, word));
  } else if (same_word(what, "DROP") && has_number) {
    if (same_word(word, "ALL"))
      session.reply(integer_value(static_cast<std::int64_t>(server->drop_letters())));
    else
      session.reply(server->drop_letter(number) ? status_value("OK") : no_letter(*server, word));
  } else if (same_word(what, "RETRY") && has_number) {
    return retry_letter(session, *server, word);
  } else {
    session.reply(usage(kLettersUsage));
  }
  return Outcome::kDone;
}

Outcome Commands::retry_letter(Session& session, Server& server, std::string_view word) {
  switch (server.retry_letter(number_of(word), session.pid)) {
    case Server::Retried::kDone: session.reply(status_value("OK")); break;
    case Server::Retried::kNoLetter: session.reply(no_letter(server, word)); break;
    case Server::Retried::kAnswer:
      session.reply(error_value("BADARG " + server.name() + ": dead letter " + quoted(word) +
                                " is the answer to a call that is over"));
      break;
    case Server::Retried::kTooBig: session.reply(error_value(server.too_big_text())); break;
    case Server::Retried::kDown: session.reply(error_value(server.down_text())); break;
    case Server::Retried::kFull:
      if (server.blocks_when_full()) {
        server.wait_for_room(session.as_room_waiter());
        return Outcome::kBusy;
      }
      session.reply(error_value("BUSY " + server.name() + ": its mailbox is full"));
  }
  return Outcome::kDone;
}

}  // namespace peeper::daemon
