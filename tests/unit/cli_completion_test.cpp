#include "daemon/cli/completion.hpp"

#include <doctest/doctest.h>

#include <string>
#include <variant>

#include "daemon/cli/option_parts.hpp"
#include "daemon/cli/options.hpp"

using namespace peeper::cli;

namespace {

std::string unknown_words(const CLI::App& app) {
  std::string unknown;
  for (const CLI::Option* option : app.get_options()) {
    const bool is_flag = !option->get_positional() && option->get_items_expected_max() == 0;
    const std::string word =
        option->get_positional() ? option->get_name(true) : option->get_type_name();
    if (!is_flag && !kind_of_word(app.get_name(), word))
      unknown += " " + word + " of `" + app.get_name() + "`;";
  }
  return unknown;
}

}  // namespace

TEST_CASE("completion: it is known what each word of each command may be") {
  Fields fields;
  CLI::App app("", "peeper");
  describe(app, fields);
  std::string unknown = unknown_words(app);
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; }))
    unknown += unknown_words(*command);
  CHECK_MESSAGE(unknown.empty(), "kKinds in daemon/cli/completion.cpp lacks:" << unknown);
}

TEST_CASE("completion: what begins with a small letter stands for itself") {
  CHECK(kind_of_word("trace", "on|off") == "words on off");
  CHECK(kind_of_word("crashes", "show") == "words show");
  CHECK(kind_of_word("call", "SERVER") == "servers");
  CHECK(kind_of_word("cast", "MESSAGE") == "messages");
  CHECK(kind_of_word("state", "PATH") == "nothing");
  CHECK(kind_of_word("upgrade", "PATH") == "files");
  CHECK(kind_of_word("call", "NONSENSE") == std::nullopt);
}

TEST_CASE("completion: the script is printed for the shells there are") {
  for (const char* shell : {"bash", "zsh"}) {
    const auto result = parse_options({"completion", shell});
    REQUIRE(std::holds_alternative<Usage>(result));
    const auto& usage = std::get<Usage>(result);
    CHECK(usage.exit_code == 0);
    CHECK(usage.text.find(std::string("made by: peeper completion ") + shell) !=
          std::string::npos);
    CHECK(usage.text.find("call:--id) REPLY='nothing' ;;") != std::string::npos);
  }
  CHECK(std::get<Usage>(parse_options({"completion", "fish"})).exit_code == 2);
  CHECK(std::get<Usage>(parse_options({"completion"})).exit_code == 2);
}
