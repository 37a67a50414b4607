// What options.cpp and its parts have in common: what CLI11 fills in, and how a command is
// described to it. Pure.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "daemon/cli/options.hpp"

namespace peeper::cli {

// What CLI11 fills in while it parses.
struct Fields {
  Options options;
  std::int64_t wait_ms = 0;
  std::int64_t call_timeout_ms = 0;
  std::optional<std::int64_t> delay_ms;
  std::string server;
  std::string message;
  std::string process;
  std::string signal;
  std::string path;
  std::string on_or_off;
  std::string action;
  std::string number;
  std::string shell;
  std::vector<std::string> shown_only;  // ARG... in the usage line; split off before parsing
};

CLI::App* add_verb(CLI::App& app, Fields& fields, Verb verb, const char* name, const char* text,
                   const char* more);
// The same of a command about one server: with SERVER.
CLI::App* add_server_verb(CLI::App& app, Fields& fields, Verb verb, const char* name,
                          const char* text, const char* more);
void add_word(CLI::App* command, const char* name, std::string& word, const char* text);
// SERVER MESSAGE [ARG ...]
void add_message_words(CLI::App* command, Fields& fields);
// --timeout MS
void add_milliseconds(CLI::App& app, std::int64_t& value, const char* text);

// All of it, in options.cpp.
void describe(CLI::App& app, Fields& fields);
// Looking at servers and at what they write, in options_inspection.cpp.
void add_inspection(CLI::App& app, Fields& fields);
void add_debugging(CLI::App& app, Fields& fields);
void add_log(CLI::App& app, Fields& fields);
// `peeper crashes` and `peeper deadletters`, in options_crashes.cpp.
void add_crashes(CLI::App& app, Fields& fields);
// Orders to servers and groups, in options_supervision.cpp.
void add_supervision(CLI::App& app, Fields& fields);
// `peeper replace-state` and `peeper messages`, in options_system.cpp.
void add_system(CLI::App& app, Fields& fields);
// `peeper segments`, in options_segments.cpp.
void add_segments(CLI::App& app, Fields& fields);
// `peeper completion`, in completion.cpp.
void add_completion(CLI::App& app, Fields& fields);
// `peeper bench`, in options_bench.cpp.
void add_bench(CLI::App& app, Fields& fields);

}  // namespace peeper::cli
