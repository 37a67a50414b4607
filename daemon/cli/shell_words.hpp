// Lines of `peeper shell`: what is a word, and what could complete one. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.hpp"

namespace peeper::cli {

// As a shell splits them: at blanks; 'as it is', "with \" and \\", and \ before one character. What
// comes behind a # that begins a word is a comment. Nothing is expanded. Fails where a quote isn't
// closed.
[[nodiscard]] Result<std::vector<std::string>> split_words(std::string_view line);

// As split_words() reads it back.
[[nodiscard]] std::string quote_word(std::string_view word);

struct ListedMessage {
  std::string kind;  // call, cast, info
  std::string name;
};

// What the shell knows while somebody types.
struct Vocabulary {
  std::vector<std::string> commands;
  std::vector<std::string> servers;
  std::vector<std::string> groups;
  std::vector<ListedMessage> messages;  // of the server that the line is about
};

// What is to be known to complete the last word of `line`, beside the commands.
struct Wanted {
  bool servers = false;        // and groups
  std::string messages_of;     // this server's; empty: none
};
[[nodiscard]] Wanted wanted_for(std::string_view line);

// What could stand in place of the last word of `line`, which is what was typed up to the cursor: all
// that begin with it, sorted, quoted where they need it.
[[nodiscard]] std::vector<std::string> completions(std::string_view line,
                                                   const Vocabulary& vocabulary);
// Where that word begins in `line`.
[[nodiscard]] std::size_t begin_of_last_word(std::string_view line);

}  // namespace peeper::cli
