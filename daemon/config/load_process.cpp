#include "daemon/config/load_process.hpp"

#include <algorithm>

namespace peeper::config {
namespace {

void read_whole(Section& section, std::string_view key, int least, int most,
                std::optional<int>& value) {
  const toml::node* node = section.find(key);
  if (node == nullptr) return;
  const std::optional<std::int64_t> number = node->value_exact<std::int64_t>();
  if (!number || *number < least || *number > most) {
    return section.mistake_of_type(*node, key,
                                   "a whole number from " + std::to_string(least) + " to " +
                                       std::to_string(most));
  }
  value = static_cast<int>(*number);
}

void read_count(Section& section, std::string_view key, Section::Range range,
                std::optional<std::uint32_t>& value) {
  if (section.find(key) == nullptr) return;
  std::uint32_t count = 0;
  section.read_count(key, range, count);
  if (count != 0) value = count;
}

void read_flag(Section& section, std::string_view key, bool& value) {
  const toml::node* node = section.find(key);
  if (node == nullptr) return;
  const std::optional<bool> flag = node->value_exact<bool>();
  if (!flag) return section.mistake_of_type(*node, key, "true or false");
  value = *flag;
}

Result<std::string> parse_absolute_path(std::string_view text) {
  if (text.empty() || text.front() != '/' || text.size() > kPathBytes ||
      text.find('\0') != text.npos) {
    return Failure{"expected a path that begins with '/', found " + in_quotes(text), 0};
  }
  return std::string(text);
}

Result<std::string> parse_user(std::string_view text) {
  constexpr std::size_t kMost = 256;  // LOGIN_NAME_MAX
  if (text.empty() || text.size() > kMost || text.find('\0') != text.npos)
    return Failure{"expected the name or the number of a user, found " + in_quotes(text), 0};
  return std::string(text);
}

// Whole seconds, which is what the kernel counts in.
Result<std::optional<std::chrono::seconds>> parse_cpu_time(std::string_view text) {
  const Result<std::chrono::milliseconds> time = parse_duration(text);
  if (!time) return time.error();
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(*time);
  if (seconds.count() == 0)
    return Failure{"expected a duration longer than 0, found " + in_quotes(text), 0};
  return std::optional{seconds};
}

// A table in the table `parent`, of its own name; null if it isn't there, or is no table.
const toml::table* table_in(Section& parent, std::string_view key, std::string_view expected) {
  const toml::node* node = parent.find(key);
  if (node == nullptr) return nullptr;
  const toml::table* table = node->as_table();
  if (table == nullptr) parent.mistake_of_type(*node, key, expected);
  return table;
}

void read_limits(Section& server, ProcessSection& process) {
  const toml::table* table = table_in(server, "limits", "a table");
  if (table == nullptr) return;
  Section section = server.inner(*table, "[server.limits]");
  Limits& limits = process.limits;
  if (section.find("memory") != nullptr) {
    std::size_t bytes = 0;
    section.read_size("memory", {kLeastMemoryBytes, kMostMemoryBytes}, bytes);
    if (bytes != 0) limits.memory_bytes = bytes;
  }
  read_count(section, "processes", {1, kMostProcesses}, limits.processes);
  read_count(section, "nofile", {kLeastFiles, kMostFiles}, limits.nofile);
  section.read_duration("cpu", parse_cpu_time, limits.cpu);
  process.processes_place = section.place("processes");
  process.nofile_place = section.place("nofile");
  section.report_unknown_keys();
}

void read_environment(Section& server, ProcessSection& process) {
  const toml::table* table = table_in(server, "environment", "a table of strings");
  if (table == nullptr) return;
  if (table->size() > kMostVariables) {
    return server.mistake(*table, "environment",
                          "expected at most " + std::to_string(kMostVariables) + " variables");
  }
  for (const auto& [key, node] : *table) {
    const std::string name(key.str());
    const std::string shown = "environment." + name;
    const auto* value = node.as_string();
    if (value == nullptr) {
      server.mistake_of_type(node, shown, "a string");
    } else if (name.empty() || name.find('=') != name.npos || name.find('\0') != name.npos) {
      server.mistake(node, shown, "expected a name without '=', found " + in_quotes(name));
    } else if (value->get().find('\0') != std::string::npos) {
      server.mistake(node, shown, "expected text without zero bytes");
    } else {
      process.environment.emplace_back(name, value->get());
    }
  }
}

void read_writable(Section& section, std::vector<std::string>& writable) {
  const toml::node* node = section.find("writable");
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr) return section.mistake_of_type(*node, "writable", "an array of paths");
  if (array->size() > kMostWritablePaths) {
    return section.mistake(*node, "writable",
                           "expected at most " + std::to_string(kMostWritablePaths) + " paths");
  }
  for (const toml::node& element : *array) {
    const auto* text = element.as_string();
    if (text == nullptr) return section.mistake_of_type(element, "writable", "a path");
    const Result<std::string> path = parse_absolute_path(text->get());
    if (!path) return section.mistake(element, "writable", path.error().what);
    writable.push_back(*path);
  }
}

// A table is strict but for what it allows.
void read_sandbox_table(Section& server, const toml::table& table, Sandbox& sandbox) {
  Section section = server.inner(table, "[server.sandbox]");
  sandbox = Sandbox::strict();
  read_flag(section, "no_new_privileges", sandbox.no_new_privileges);
  read_flag(section, "network", sandbox.network);
  read_flag(section, "read_only", sandbox.read_only);
  read_flag(section, "seccomp", sandbox.seccomp);
  read_writable(section, sandbox.writable);
  if (!sandbox.no_new_privileges && (!sandbox.network || sandbox.read_only || sandbox.seccomp)) {
    section.mistake(section.place("no_new_privileges"),
                    "no_new_privileges: expected true, for nothing else can be forbidden without "
                    "it; or network = true, read_only = false and seccomp = false as well");
  }
  if (!sandbox.read_only && !sandbox.writable.empty()) {
    section.mistake(section.place("writable"),
                    "writable: expected none with read_only = false, which allows all paths");
  }
  section.report_unknown_keys();
}

void read_sandbox(Section& server, ProcessSection& process) {
  const toml::node* node = server.find("sandbox");
  process.sandbox_place = server.place("sandbox");
  if (node == nullptr) return;
  constexpr std::string_view expected = "\"none\", \"strict\", or a table";
  if (const toml::table* table = node->as_table())
    return read_sandbox_table(server, *table, process.sandbox);
  const auto* word = node->as_string();
  if (word == nullptr) return server.mistake_of_type(*node, "sandbox", expected);
  if (word->get() == "strict") {
    process.sandbox = Sandbox::strict();
  } else if (word->get() != "none") {
    server.mistake(*node, "sandbox",
                   "expected " + std::string(expected) + ", found " + in_quotes(word->get()));
  }
}

// In quotes a name or a number; a bare number too.
void read_user(Section& server, ProcessSection& process) {
  const toml::node* node = server.find("user");
  process.user_place = server.place("user");
  if (node == nullptr) return;
  if (const auto* number = node->as_integer(); number != nullptr && number->get() >= 0) {
    process.user = std::to_string(number->get());
  } else {
    server.read_text("user", parse_user, process.user);
  }
}

}  // namespace

void read_process(Section& server, ProcessSection& process) {
  read_limits(server, process);
  read_user(server, process);
  read_whole(server, "nice", -20, 19, process.nice);
  process.nice_place = server.place("nice");
  read_whole(server, "oom_score_adj", -1000, 1000, process.oom_score_adj);
  process.oom_place = server.place("oom_score_adj");
  read_environment(server, process);
  server.read_text("working_directory", parse_absolute_path, process.working_directory);
  read_sandbox(server, process);
}

}  // namespace peeper::config
