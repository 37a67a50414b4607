#include "daemon/config/behaviour_path.hpp"

#include <algorithm>
#include <system_error>

#include "daemon/config/values.hpp"

namespace peeper::config {
namespace {

namespace fs = std::filesystem;

fs::path made_absolute(const fs::path& path) {
  std::error_code error;
  const fs::path found = fs::absolute(path, error);
  return (error ? path : found).lexically_normal();
}

std::vector<fs::path> places(const std::string& name, const SearchPath& path) {
  const fs::path behaviour = name;
  if (name.find('/') != std::string::npos) {
    return {made_absolute(path.config_directory / behaviour)};
  }
  const fs::path file = behaviour.extension() == ".so" ? behaviour : fs::path(behaviour) += ".so";
  std::vector<fs::path> all;
  for (const fs::path& directory : path.first) all.push_back(made_absolute(directory / file));
  all.push_back(made_absolute(path.config_directory / file));
  all.push_back(made_absolute(path.program_directory / ".." / "lib" / "peeper" / file));
  return all;
}

}  // namespace

SearchPath search_path(const char* peeper_path, const fs::path& config_file,
                       const fs::path& program_directory) {
  SearchPath path{{}, config_file.parent_path(), program_directory};
  std::string_view rest = peeper_path == nullptr ? "" : peeper_path;
  while (!rest.empty()) {
    const std::string_view part = rest.substr(0, rest.find(':'));
    if (!part.empty()) path.first.emplace_back(part);
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
  }
  return path;
}

Result<fs::path> find_object(const std::string& what, const std::string& name,
                             const SearchPath& path) {
  std::string looked_at;
  for (const fs::path& place : places(name, path)) {
    std::error_code error;
    const fs::file_status status = fs::status(place, error);
    if (fs::is_regular_file(status)) return place;
    looked_at += looked_at.empty() ? "" : ", ";
    looked_at += place.string();
    if (fs::exists(status)) looked_at += " (not a file)";
    if (status.type() == fs::file_type::none) looked_at += " (" + error.message() + ")";
  }
  return Failure{what + " " + in_quotes(name) + " not found; looked at " + looked_at, 0};
}

Result<fs::path> find_behaviour(const std::string& behaviour, const SearchPath& path) {
  return find_object("behaviour", behaviour, path);
}

Result<fs::path> find_behaviour(const ServerSection& server, const SearchPath& path) {
  return find_behaviour(server.behaviour, path);
}

}  // namespace peeper::config
