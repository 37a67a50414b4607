#include "daemon/cli/option_parts.hpp"

#include "common/limits.hpp"

namespace peeper::cli {

CLI::App* add_verb(CLI::App& app, Fields& fields, Verb verb, const char* name, const char* text,
                   const char* more) {
  CLI::App* command = app.add_subcommand(name, text);
  command->footer(std::string("\n") + more);
  command->fallthrough();
  command->callback([&fields, verb] { fields.options.verb = verb; });
  return command;
}

void add_word(CLI::App* command, const char* name, std::string& word, const char* text) {
  command->add_option(name, word, text)->required()->type_name("");
}

namespace {

void add_server(CLI::App* command, Fields& fields) {
  add_word(command, "SERVER", fields.server, "the server's name");
}

}  // namespace

CLI::App* add_server_verb(CLI::App& app, Fields& fields, Verb verb, const char* name,
                          const char* text, const char* more) {
  CLI::App* command = add_verb(app, fields, verb, name, text, more);
  add_server(command, fields);
  return command;
}

void add_message_words(CLI::App* command, Fields& fields) {
  add_server(command, fields);
  add_word(command, "MESSAGE", fields.message, "the message's name");
  command->add_option("ARG", fields.shown_only, "arguments, sent as they are")->type_name("");
}

void add_milliseconds(CLI::App& app, std::int64_t& value, const char* text) {
  CLI::Range range(std::int64_t{1}, std::int64_t{limits::kMostCallTimeout.count()});
  range.description("");  // would make the help line too long
  app.add_option("--timeout", value, text)->check(range)->type_name("MS");
}

}  // namespace peeper::cli
