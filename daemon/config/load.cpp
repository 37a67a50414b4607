#include "daemon/config/load.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <functional>
#include <system_error>
#include <tuple>

#include "common/limits.hpp"
#include "daemon/config/groups.hpp"
#include "daemon/config/load_process.hpp"
#include "daemon/config/section.hpp"
#include "daemon/config/toml_guard.hpp"
#include "daemon/config/values.hpp"

namespace peeper::config {
namespace {

using Mistakes = std::vector<Mistake>;

void read_state(Section& section, InitArguments& arguments) {
  const toml::node* node = section.find("state");
  if (node == nullptr) return;
  InitArguments found;
  std::size_t bytes = 0;
  const auto add = [&](std::string_view text) {
    bytes += text.size();
    found.values.emplace_back(text);
  };
  if (const auto* text = node->as_string()) {
    add(text->get());
  } else if (const toml::table* table = node->as_table()) {
    found.named = true;
    for (const auto& [name, value] : *table) {
      const auto* argument = value.as_string();
      if (argument == nullptr) {
        section.mistake_of_type(value, "state." + std::string(name.str()), "a string");
        continue;
      }
      add(name.str());
      add(argument->get());
    }
  } else {
    return section.mistake_of_type(*node, "state", "a string, or a table of strings");
  }
  if (bytes > kInitArgumentBytes) {
    return section.mistake(*node, "state",
                           "expected at most " + size_text(kInitArgumentBytes) + ", found " +
                               std::to_string(bytes) + " bytes");
  }
  // Arguments travel as C strings.
  if (std::ranges::any_of(found.values,
                          [](const std::string& v) { return v.find('\0') != v.npos; })) {
    return section.mistake(*node, "state", "expected text without zero bytes");
  }
  arguments = std::move(found);
}

void read_listeners(Section& section, std::vector<std::string>& listeners) {
  const toml::node* node = section.find("listener");
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr) return section.mistake_of_type(*node, "listener", "an array of strings");
  std::vector<std::string> found;
  for (const toml::node& element : *array) {
    const auto* text = element.as_string();
    if (text == nullptr) {
      section.mistake_of_type(element, "listener", "a string");
      return;
    }
    const Result<std::string> listener = parse_listener(text->get());
    if (!listener) return section.mistake(element, "listener", listener.error().what);
    found.push_back(*listener);
  }
  if (found.size() > kMostListeners)
    return section.mistake(*node, "listener",
                           "expected at most " + std::to_string(kMostListeners) + ", found " +
                               std::to_string(found.size()));
  listeners = std::move(found);
}

// Each step only after those that lose less.
void read_on_crash_loop(Section& section, std::vector<LoopStep>& steps) {
  std::vector<LoopStep> found = steps;
  section.read_words("on_crash_loop", found);
  const toml::node* node = section.find("on_crash_loop");
  if (node == nullptr) return;
  const bool is_sorted =
      std::ranges::adjacent_find(found, std::ranges::greater_equal{}) == found.end();
  if (!is_sorted || found.empty() || found.back() != LoopStep::kDown)
    return section.mistake(*node, "on_crash_loop",
                           "expected steps in the order \"drop\", \"init\", \"down\", of which "
                           "only \"down\" must be there");
  steps = std::move(found);
}

void read_daemon(Section& section, DaemonSection& daemon) {
  section.read_text("socket", parse_socket_path, daemon.socket);
  section.read_text("socket_mode", parse_socket_mode, daemon.socket_mode);
  section.read_text("instance", parse_instance, daemon.instance);
  section.read_word("log_level", daemon.log_level);
  section.read_word("log_format", daemon.log_format);
  section.read_text("log_to", parse_log_to, daemon.log_to);
  section.read_size("log_max_size", {kLeastLogBytes, kMostLogBytes}, daemon.log_max_bytes);
  section.read_count("log_files", {0, kMostLogFiles}, daemon.log_files);
  section.read_word("strategy", daemon.strategy);
  section.read_count("max_restarts", {0, kMostRestarts}, daemon.max_restarts);
  section.read_seconds("max_seconds", daemon.max_seconds);
  section.read_word("auto_shutdown", daemon.auto_shutdown);
  section.read_text("metrics", parse_metrics_place, daemon.metrics);
  section.read_text("use", parse_server_name, daemon.use);
  daemon.use_place = section.place("use");
  daemon.log_to_place = section.place("log_to");
  section.report_unknown_keys();
}

ServerSection read_server(const toml::table& table, Mistakes& mistakes) {
  ServerSection server;
  Section section(table, "[[server]]", mistakes);
  section.require("name");
  section.require("behaviour");
  section.read_text("name", parse_server_name, server.name);
  section.read_text("behaviour", parse_behaviour, server.behaviour);
  read_state(section, server.state);
  section.read_size("state_size", {limits::kLeastStateBytes, limits::kMostStateBytes},
                    server.state_bytes);
  section.read_text("group", parse_server_name, server.group);
  section.read_word("restart", server.restart);
  section.read_flag("significant", server.significant);
  section.read_word("strategy", server.strategy);
  section.read_count("max_restarts", {0, kMostRestarts}, server.max_restarts);
  section.read_seconds("max_seconds", server.max_seconds);
  section.read_word("auto_shutdown", server.auto_shutdown);
  section.read_duration("retry_delay", parse_retry_delay, server.retry_delay);
  section.read_word("when_down", server.when_down);
  section.read_word("late_calls", server.late_calls);
  section.read_duration("shutdown", parse_shutdown, server.shutdown);
  section.read_count("standby", {0, kMostStandbys}, server.standby);
  section.read_word("on_crash", server.on_crash);
  section.read_text("on_crash_exec", parse_program, server.on_crash_exec);
  section.read_count("retries", {1, limits::kMostRetries}, server.retries);
  read_on_crash_loop(section, server.on_crash_loop);
  section.read_duration("callback_timeout", parse_watchdog, server.callback_timeout,
                        Section::BareZero::kAllowed);
  section.read_duration("init_timeout", parse_timeout, server.init_timeout);
  section.read_duration("hibernate_after", parse_idle_time, server.hibernate_after);
  section.read_count("dedupe_window", {0, kMostDedupeWindow}, server.dedupe_window);
  section.read_size("mailbox", {limits::kLeastMailboxBytes, limits::kMostMailboxBytes},
                    server.mailbox_bytes);
  section.read_word("overflow", server.overflow);
  section.read_text("busy_poll", parse_busy_poll, server.busy_poll);
  section.read_word("core_dump", server.core_dump);
  read_listeners(section, server.listener);
  section.read_duration("listener_timeout", parse_timeout, server.listener_timeout);
  section.read_words("debug", server.debug);
  read_process(section, server.process);
  section.report_unknown_keys();
  server.place = place_of(table.source());
  server.group_place = section.place("group");
  server.significant_place = section.place("significant");
  server.name_place = section.place("name");
  server.behaviour_place = section.place("behaviour");
  server.listener_place = section.place("listener");
  return server;
}

void refuse_same_name(const std::vector<ServerSection>& before, const ServerSection& server,
                      Mistakes& mistakes) {
  const auto same = std::ranges::find(before, server.name, &ServerSection::name);
  if (server.name.empty() || same == before.end()) return;
  mistakes.push_back({server.name_place.line, server.name_place.column,
                      "name: " + in_quotes(server.name) + " is already used at line " +
                          std::to_string(same->name_place.line)});
}

void read_servers(Section& root, std::vector<ServerSection>& servers, Mistakes& mistakes) {
  const toml::node* node = root.find("server");
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    return root.mistake(*node, "server",
                        "expected [[server]] in two brackets, found " + kind_of(*node));
  }
  if (array->size() > kMostServers) {
    return root.mistake(*node, "server",
                        "expected at most " + std::to_string(kMostServers) + " servers, found " +
                            std::to_string(array->size()));
  }
  for (const toml::node& element : *array) {
    const toml::table* table = element.as_table();
    if (table == nullptr) {
      root.mistake_of_type(element, "server", "a table");
      continue;
    }
    ServerSection server = read_server(*table, mistakes);
    refuse_same_name(servers, server, mistakes);
    servers.push_back(std::move(server));
  }
}

void refuse_unknown_server(const Config& config, Mistakes& mistakes) {
  const DaemonSection& daemon = config.daemon;
  if (daemon.use.empty() ||
      std::ranges::find(config.servers, daemon.use, &ServerSection::name) != config.servers.end())
    return;
  mistakes.push_back({daemon.use_place.line, daemon.use_place.column,
                      "use: expected the name of a [[server]] in this file, found " +
                          in_quotes(daemon.use)});
}

void read_root(const toml::table& table, Config& config, Mistakes& mistakes) {
  Section root(table, "the file", mistakes);
  const toml::node* node = root.find("daemon");
  if (node != nullptr && !node->is_table())
    root.mistake(*node, "daemon", "expected [daemon] in one bracket, found " + kind_of(*node));
  const toml::table none;
  Section daemon(node != nullptr && node->is_table() ? *node->as_table() : none, "[daemon]",
                 mistakes);
  read_daemon(daemon, config.daemon);
  read_groups(root, config.groups, mistakes);
  read_servers(root, config.servers, mistakes);
  check_tree(config, mistakes);
  refuse_unknown_server(config, mistakes);
  root.report_unknown_keys(&daemon);
}

// None, and errno is set, if the file can't be read. Reads at most one byte beyond what is allowed.
std::optional<std::string> read_file(const std::filesystem::path& file) {
  errno = 0;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return std::nullopt;
  std::string text(kMostFileBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  // A directory opens and then can't be read.
  if (stream.bad()) return std::nullopt;
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

}  // namespace

namespace {

// The mistakes are in no order yet.
template <class ReadRoot>
void read_text(std::string_view toml, Loaded& loaded, ReadRoot read_root) {
  if (toml.size() > kMostFileBytes) {
    loaded.mistakes.push_back(
        {0, 0, "expected a configuration of at most " + size_text(kMostFileBytes)});
    return;
  }
  if (const GuardFinding found = guard_toml(toml); found.line > 0) {
    loaded.mistakes.push_back({found.line, found.column, std::string(found.text)});
    return;
  }
  try {
    read_root(toml::parse(toml, loaded.config.file.string()));
  } catch (const toml::parse_error& error) {
    const Place place = place_of(error.source());
    loaded.mistakes.push_back({place.line, place.column, std::string(error.description())});
  }
  std::ranges::stable_sort(loaded.mistakes, {}, [](const Mistake& mistake) {
    return std::tuple(mistake.line, mistake.column);
  });
}

}  // namespace

Loaded parse(std::string_view toml, const std::filesystem::path& file) {
  Loaded loaded;
  loaded.config.file = file;
  read_text(toml, loaded,
            [&](const toml::table& table) { read_root(table, loaded.config, loaded.mistakes); });
  return loaded;
}

Loaded parse_child(std::string_view toml, const Config& running) {
  Loaded loaded;
  loaded.config.file = running.file;
  loaded.config.daemon = running.daemon;
  loaded.config.groups = running.groups;
  read_text(toml, loaded, [&](const toml::table& table) {
    Section root(table, "START_CHILD", loaded.mistakes);
    read_servers(root, loaded.config.servers, loaded.mistakes);
    check_tree(loaded.config, loaded.mistakes);
    root.report_unknown_keys();
  });
  if (loaded.mistakes.empty() && loaded.config.servers.size() != 1)
    loaded.mistakes.push_back({0, 0, "expected one [[server]], found " +
                                         std::to_string(loaded.config.servers.size())});
  return loaded;
}

Loaded load(const std::filesystem::path& file) {
  const std::optional<std::string> text = read_file(file);
  if (text) return parse(*text, file);
  Loaded loaded;
  loaded.config.file = file;
  loaded.mistakes.push_back({0, 0, "cannot read it: " + std::system_category().message(errno)});
  return loaded;
}

std::string describe(const std::filesystem::path& file, const Mistake& mistake) {
  std::string text = file.string() + ":";
  if (mistake.line > 0) {
    text += std::to_string(mistake.line) + ":" + std::to_string(mistake.column) + ":";
  }
  return text + " " + mistake.text;
}

}  // namespace peeper::config
