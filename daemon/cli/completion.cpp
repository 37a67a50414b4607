#include "daemon/cli/completion.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <vector>

#include "daemon/cli/completion_text.hpp"
#include "daemon/cli/option_parts.hpp"

namespace peeper::cli {
namespace {

struct Kind {
  std::string_view command;  // empty: any
  std::string_view placeholder;
  std::string_view kind;
};

// The first that fits.
constexpr std::array kKinds{
    Kind{"", "SERVER", "servers"},
    Kind{"", "NAME", "names"},
    Kind{"", "PROCESS", "words worker keeper standby"},
    Kind{"", "SIGNAL", "signals"},
    Kind{"state", "PATH", "nothing"},  // in the State
    Kind{"", "PATH", "files"},
    Kind{"", "FILE", "files"},
    Kind{"", "MESSAGE", "messages"},
    Kind{"", "VALUE", "nothing"},
    Kind{"", "ARG", "nothing"},
    Kind{"", "MS", "nothing"},
    Kind{"", "LINES", "nothing"},
    Kind{"", "N", "nothing"},
    Kind{"", "TOKEN", "nothing"},
};

// Takes more than one word: what follows is the server's.
bool is_the_rest(const CLI::Option& option) {
  return option.get_items_expected_max() >= CLI::detail::expected_max_vector_size;
}

std::vector<std::string> spellings(const CLI::Option& option) {
  std::vector<std::string> all;
  for (const std::string& name : option.get_snames()) all.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) all.push_back("--" + name);
  return all;
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

std::string in_quotes(std::string_view text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string kind_text(const CLI::App& command, std::string_view placeholder) {
  return kind_of_word(command.get_name(), placeholder).value_or("nothing");
}

// One `case` of the shell's: what a key of several spellings is.
std::string branch(const std::vector<std::string>& keys, std::string_view kind) {
  std::string line = "    ";
  for (std::size_t i = 0; i < keys.size(); ++i) line += (i > 0 ? "|" : "") + keys[i];
  return line + ") REPLY=" + in_quotes(kind) + " ;;\n";
}

std::string function_of(std::string_view name, std::string_view branches, std::string_view none) {
  std::string text(name);
  return text.append("() {\n  case $1 in\n").append(branches).append("    *) ").append(none).append(
             " ;;\n  esac\n}\n\n");
}

// command:1, command:2, …: what stands there.
std::string places_of(const CLI::App& command) {
  std::string branches;
  int place = 0;
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_positional() || is_the_rest(*option)) continue;
    branches += branch({command.get_name() + ":" + std::to_string(++place)},
                       kind_text(command, option->get_name(true)));
  }
  return branches;
}

// command:--option: what its value is. `command`: "*" for the options of all.
std::string values_of(const CLI::App& app, const std::string& command) {
  std::string branches;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_positional() || option->get_items_expected_max() == 0) continue;
    std::vector<std::string> keys;
    for (const std::string& name : spellings(*option)) keys.push_back(command + ":" + name);
    branches += branch(keys, kind_text(app, option->get_type_name()));
  }
  return branches;
}

std::string options_of(const CLI::App& app) {
  std::string all;
  for (const CLI::Option* option : app.get_options())
    if (!option->get_positional())
      for (const std::string& name : spellings(*option)) all += (all.empty() ? "" : " ") + name;
  return all;
}

std::string signals() {
  std::string all;
  for (int signal = 1; signal < SIGRTMIN; ++signal)
    if (const char* name = ::sigabbrev_np(signal))
      all += (all.empty() ? "SIG" : " SIG") + std::string(name);
  return all;
}

std::string tables(const CLI::App& app) {
  std::string commands;
  std::string described;
  std::string with_rest;
  std::string places;
  std::string values;
  std::string options;
  for (const CLI::App* command : commands_of(app)) {
    const std::string& name = command->get_name();
    commands += (commands.empty() ? "" : " ") + name;
    described += "  " + in_quotes(name + ":" + command->get_description()) + "\n";
    if (std::ranges::any_of(command->get_options(),
                            [](const CLI::Option* option) {
                              return option->get_positional() && is_the_rest(*option);
                            }))
      with_rest += (with_rest.empty() ? "" : " ") + name;
    places += places_of(*command);
    values += values_of(*command, name);
    options += branch({name}, options_of(*command));
  }
  return "_peeper_commands=" + in_quotes(commands) + "\n_peeper_described=(\n" + described +
         ")\n_peeper_with_rest=" + in_quotes(with_rest) + "\n_peeper_global=" +
         in_quotes(options_of(app)) + "\n_peeper_signals=" + in_quotes(signals()) + "\n\n" +
         function_of("_peeper_place", places, "REPLY=nothing") +
         "# Fails if the option takes no value.\n" +
         function_of("_peeper_value", values + values_of(app, "*"), "return 1") +
         function_of("_peeper_options", options, "REPLY=''");
}

}  // namespace

std::optional<std::string> kind_of_word(std::string_view command, std::string_view placeholder) {
  if (!placeholder.empty() && placeholder[0] >= 'a' && placeholder[0] <= 'z') {
    std::string words = "words " + std::string(placeholder);
    std::ranges::replace(words, '|', ' ');
    return words;
  }
  for (const Kind& row : kKinds)
    if (row.placeholder == placeholder && (row.command.empty() || row.command == command))
      return std::string(row.kind);
  return std::nullopt;
}

std::string completion_script(const CLI::App& app, std::string_view shell) {
  const bool is_zsh = shell == "zsh";
  return std::string(is_zsh ? "#compdef peeper\n" : "") +
         "# Completion for peeper " PEEPER_VERSION ", made by: peeper completion " +
         std::string(shell) + "\n\n" + tables(app) + kLookText + (is_zsh ? kZshText : kBashText);
}

void add_completion(CLI::App& app, Fields& fields) {
  CLI::App* completion =
      add_verb(app, fields, Verb::kCompletion, "completion",
               "Print a script that completes peeper's words in a shell",
               "Names of servers are asked from the running peeperd.\n"
               "Example: source <(peeper completion bash)    in ~/.bashrc\n"
               "         source <(peeper completion zsh)     in ~/.zshrc, behind compinit");
  CLI::IsMember shells({"bash", "zsh"});
  shells.description("");
  completion->add_option("bash|zsh", fields.shell, "the shell")
      ->required()
      ->check(shells)
      ->type_name("");
}

}  // namespace peeper::cli
