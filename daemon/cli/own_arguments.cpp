#include "daemon/cli/own_arguments.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace peeper::cli {
namespace {

// Whether the option takes the next argument for its value.
bool takes_next(const CLI::App& app, const std::string& argument) {
  if (argument.find('=') != std::string::npos) return false;
  const CLI::Option* option = app.get_option_no_throw(argument);
  return option != nullptr && option->get_items_expected_max() > 0;
}

// Where the command stands; arguments.size() if nowhere.
std::size_t find_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  std::size_t i = 0;
  while (i < arguments.size() && arguments[i].starts_with('-') && arguments[i] != "--") {
    i += takes_next(app, arguments[i]) ? 2 : 1;
  }
  return std::min(i, arguments.size());
}

bool is_command(const CLI::App& app, const std::string& word) {
  const auto has_name = [&](const CLI::App* command) { return command->get_name() == word; };
  return !app.get_subcommands(has_name).empty();
}

// Is the word behind SERVER a VALUE? It is the server's as well, whatever it looks like.
bool has_value(std::string_view command) { return command == "replace-state"; }

// How many arguments CLI11 may see: all up to SERVER MESSAGE, or SERVER VALUE, of a command that
// has them. What follows is the server's, and CLI11 would take an option's look for an option.
std::size_t count_own(const CLI::App& app, const std::vector<std::string>& arguments,
                      std::size_t command_at) {
  const std::string& name = arguments[command_at];
  constexpr std::string_view kWithMessage[] = {"call", "cast", "send", "bench", "replace-state"};
  if (std::ranges::count(kWithMessage, name) == 0) return arguments.size();
  const CLI::App* command = app.get_subcommand(name);
  int words = 0;
  bool only_words = false;
  for (std::size_t i = command_at + 1; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (words == 1 && has_value(name)) return i + 1;
    if (!only_words && argument == "--") {
      only_words = true;
    } else if (!only_words && argument.size() > 1 && argument[0] == '-') {
      if (takes_next(*command, argument) || takes_next(app, argument)) ++i;
    } else if (++words == 2) {
      return i + 1;
    }
  }
  return arguments.size();
}

}  // namespace

OwnArguments part(const CLI::App& app, const std::vector<std::string>& arguments) {
  const std::size_t command_at = find_command(app, arguments);
  std::size_t count = arguments.size();
  if (command_at < arguments.size()) {
    const std::string& word = arguments[command_at];
    if (!is_command(app, word)) return {{}, {}, word};
    count = count_own(app, arguments, command_at);
  }
  const auto end = arguments.begin() + static_cast<std::ptrdiff_t>(count);
  OwnArguments parted{{arguments.begin(), end}, {end, arguments.end()}, {}};
  if (count > command_at + 2 && has_value(arguments[command_at]) &&
      parted.own.back().starts_with('-'))
    parted.own.insert(parted.own.end() - 1, "--");
  std::reverse(parted.own.begin(), parted.own.end());
  return parted;
}

}  // namespace peeper::cli
