// The channel on which the lines that a server's workers write are told to who subscribes. No
// server can publish there: its own channels are "SERVER/NAME", and no name has a '!'.
#pragma once

#include <string>
#include <string_view>

namespace peeper {

// "counter!output"; of all servers "!output".
[[nodiscard]] inline std::string output_channel(std::string_view server) {
  return std::string(server) + "!output";
}

}  // namespace peeper
