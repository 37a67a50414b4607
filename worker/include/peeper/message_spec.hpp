// What a behaviour says of its messages, for people: peeper messages, and what completes words in
// peeper shell.
//
//   static constexpr peeper::MessageSpec messages[] = {
//       {peeper::Kind::call, "add", "NUMBER", "adds it, and replies the sum"},
//       {peeper::Kind::call, "state", "", "replies the count"},
//       {peeper::Kind::cast, "add", "NUMBER", "the same; nobody waits"},
//   };
//
// It is read from the shared object in a process of its own: no callback runs. What is sent needs
// not to be listed. Checked when it is compiled: names are not empty and each stands there once a
// kind, there is a callback of that kind, texts have no control characters and at most 256 bytes,
// and there are at most 256 messages.
#pragma once

#include <string_view>

#include "peeper/message.hpp"

namespace peeper {

struct MessageSpec {
  Kind kind = Kind::call;
  std::string_view name;
  std::string_view arguments = {};  // as in a usage line: "KEY [VALUE]"
  std::string_view text = {};       // what it does
};

}  // namespace peeper
