// The channels on which peeperd itself tells of a server to who subscribes. No server can publish
// there: its own channels are "SERVER/NAME", and no name has a '!' or a '/'. One is the server's name
// alone: changes of its State, and the ends of its workers.
#pragma once

#include <string>
#include <string_view>

namespace peeper {

// The lines that its workers write: "counter!output"; of all servers "!output".
[[nodiscard]] inline std::string output_channel(std::string_view server) {
  return std::string(server) + "!output";
}

// Its messages, replies, crashes and starts: "counter!trace".
[[nodiscard]] inline std::string trace_channel(std::string_view server) {
  return std::string(server) + "!trace";
}
// The server whose trace_channel() that is; empty: it is none.
[[nodiscard]] inline std::string_view traced_server(std::string_view channel) {
  constexpr std::string_view kEnd = "!trace";
  return channel.ends_with(kEnd) ? channel.substr(0, channel.size() - kEnd.size())
                                 : std::string_view{};
}

}  // namespace peeper
