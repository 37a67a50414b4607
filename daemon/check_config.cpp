#include "daemon/check_config.hpp"

#include <algorithm>
#include <cstdlib>
#include <ostream>
#include <system_error>
#include <tuple>
#include <vector>

#include "daemon/config/listeners.hpp"
#include "daemon/config/log_file.hpp"
#include "daemon/config/process_rights.hpp"

namespace peeper {
namespace {

constexpr int kOk = 0;
constexpr int kRefused = 2;

}  // namespace

config::SearchPath search_path_of_this_process(const std::filesystem::path& config_file) {
  std::error_code error;
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  return config::search_path(std::getenv("PEEPER_PATH"), config_file, program.parent_path());
}

config::Loaded load_for_start(const Options& options, const config::SearchPath& path) {
  config::Loaded loaded = config::load(options.config_file);
  override_with(options, loaded.config.daemon);
  for (const config::ServerSection& server : loaded.config.servers) {
    if (server.behaviour.empty()) continue;  // reported already
    const Result<std::filesystem::path> found = config::find_behaviour(server, path);
    if (found) continue;
    loaded.mistakes.push_back(
        {server.behaviour_place.line, server.behaviour_place.column, found.error().what});
  }
  if (auto unwritable = config::refuse_log_file(loaded.config.daemon))
    loaded.mistakes.push_back(*std::move(unwritable));
  const std::vector<config::Mistake> missing =
      config::refuse_missing_listeners(loaded.config.servers, path);
  loaded.mistakes.insert(loaded.mistakes.end(), missing.begin(), missing.end());
  const std::vector<config::Mistake> unable = config::settle_processes(loaded.config.servers);
  loaded.mistakes.insert(loaded.mistakes.end(), unable.begin(), unable.end());
  std::ranges::stable_sort(loaded.mistakes, {}, [](const config::Mistake& mistake) {
    return std::tuple(mistake.line, mistake.column);
  });
  return loaded;
}

int report_config(const config::Loaded& loaded, std::ostream& out, std::ostream& err) {
  const std::filesystem::path& file = loaded.config.file;
  for (const config::Mistake& mistake : loaded.mistakes) {
    err << config::describe(file, mistake) << '\n';
  }
  if (!loaded.mistakes.empty()) return kRefused;
  const std::size_t servers = loaded.config.servers.size();
  out << file.string() << ": ok, " << servers << (servers == 1 ? " server" : " servers") << '\n';
  return kOk;
}

}  // namespace peeper
