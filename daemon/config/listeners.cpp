#include "daemon/config/listeners.hpp"

#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

#include "daemon/config/values.hpp"

namespace peeper::config {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kExec = "exec:";

Result<std::string> find_program(std::string_view name, const SearchPath& path) {
  std::error_code error;
  const fs::path relative = path.config_directory / name;
  const fs::path absolute = fs::absolute(relative, error);
  const std::string program = (error ? relative : absolute).lexically_normal().string();
  const int why = ::access(program.c_str(), X_OK) == 0 ? 0 : errno;
  const std::string text = "listener " + in_quotes(std::string(kExec) + std::string(name)) +
                           ": cannot start " + program;
  if (why != 0) return system_failure(text, why);
  if (!fs::is_regular_file(program, error)) return Failure{text + ": it is no file", 0};
  return std::string(kExec) + program;
}

}  // namespace

Result<std::string> find_listener(const std::string& listener, const SearchPath& path) {
  if (listener == "log" || listener.starts_with("statsd:")) return listener;
  if (listener.starts_with(kExec))
    return find_program(std::string_view(listener).substr(kExec.size()), path);
  const auto found = find_object("listener", listener, path);
  if (!found) return found.error();
  return found->string();
}

std::vector<Mistake> refuse_missing_listeners(const std::vector<ServerSection>& servers,
                                              const SearchPath& path) {
  std::vector<Mistake> mistakes;
  for (const ServerSection& server : servers)
    for (const std::string& listener : server.listener)
      if (const auto found = find_listener(listener, path); !found)
        mistakes.push_back(
            {server.listener_place.line, server.listener_place.column, found.error().what});
  return mistakes;
}

}  // namespace peeper::config
