// Encodes a command as clients send it: a RESP array of bulk strings.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "common/resp/writer.hpp"

namespace peeper::resp {

// Any bytes may stand in an argument. Without arguments: "*0", which servers skip.
template <class Buffer>
void append_command(Buffer& out, std::span<const std::string_view> arguments) {
  append_array(out, arguments.size());
  for (const std::string_view argument : arguments) append_bulk(out, argument);
}

template <class Buffer>
void append_command(Buffer& out, std::initializer_list<std::string_view> arguments) {
  append_command(out, std::span(arguments.begin(), arguments.size()));
}

}  // namespace peeper::resp
