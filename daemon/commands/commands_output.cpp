// SYS OUTPUT: the last lines that workers wrote. Who wants those that come subscribes
// (common/server_channels.hpp).
#include "common/limits.hpp"
#include "daemon/commands/commands.hpp"
#include "daemon/output/output_values.hpp"
#include "daemon/values/command_text.hpp"

namespace peeper::daemon {

Outcome Commands::sys_output(Session& session, Arguments arguments) {
  std::vector<ServersRing> rings;
  const std::string_view name = arguments[2];
  if (name == "*") {
    for (const auto& server : servers_.all())
      rings.push_back({server->name(), &server->output().ring()});
  } else if (const Server* server = servers_.find(name)) {
    rings.push_back({server->name(), &server->output().ring()});
  } else {
    session.reply(no_server(name));
    return Outcome::kDone;
  }
  std::size_t most = limits::kOutputLines;
  if (arguments.size() > 3) {
    const auto lines = whole_number(arguments[3]);
    if (arguments.size() > 4 || !lines || *lines < 0 ||
        *lines > static_cast<std::int64_t>(limits::kMostOutputLines)) {
      session.reply(error_value("BADARG usage: SYS OUTPUT server|* [lines], 0 to " +
                                std::to_string(limits::kMostOutputLines) + " of them"));
      return Outcome::kDone;
    }
    most = static_cast<std::size_t>(*lines);
  }
  const auto lines = last_lines(rings, most);
  std::string array;
  resp::append_array(array, lines.size());
  for (const ServersLine& line : lines) array += output_value(line);
  session.reply(array);
  return Outcome::kDone;
}

}  // namespace peeper::daemon
