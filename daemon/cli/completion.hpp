// What completes peeper's words in a shell: a script, made of the very description that parses the
// command line, so that it knows what this peeper knows. Pure.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace peeper::cli {

// `shell`: "bash" or "zsh".
[[nodiscard]] std::string completion_script(const CLI::App& app, std::string_view shell);

// What may stand for a word of the usage line: "servers", "names" (groups too), "messages" (of the
// server before), "signals", "files", "nothing", or "words A B …". What begins with a small letter
// stands for itself, as "on|off" does. None: a placeholder that completion.cpp doesn't know; it counts as "nothing".
[[nodiscard]] std::optional<std::string> kind_of_word(std::string_view command,
                                                      std::string_view placeholder);

}  // namespace peeper::cli
