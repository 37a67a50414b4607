// Where a server's behaviour, or one of its listeners, is: from the name in its section to the
// shared object to load.
// Pure, but for the questions whether a file exists. May block on the file system.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

#include "common/result.hpp"
#include "daemon/config/config.hpp"

namespace peeper::config {

// Everything the search depends on beside the section.
struct SearchPath {
  std::vector<std::filesystem::path> first;  // PEEPER_PATH
  std::filesystem::path config_directory;
  std::filesystem::path program_directory;  // of the running peeperd
};

// `peeper_path` is the variable's value, directories with ':' between them; null or empty if it
// isn't set. Empty parts are skipped: nobody means the working directory by them.
[[nodiscard]] SearchPath search_path(const char* peeper_path,
                                     const std::filesystem::path& config_file,
                                     const std::filesystem::path& program_directory);

// Absolute path of the behaviour's file. A name "counter" is looked for as "counter.so" in the
// directories of PEEPER_PATH, beside the configuration file, and in ../lib/peeper as seen from the
// running program; the first that exists is taken. A behaviour with a '/' is that file, relative to
// the configuration file's directory. The failure names every place that was looked at.
[[nodiscard]] Result<std::filesystem::path> find_behaviour(const std::string& behaviour,
                                                           const SearchPath& path);
// The same for what is no behaviour; `what` begins the failure.
[[nodiscard]] Result<std::filesystem::path> find_object(const std::string& what,
                                                        const std::string& name,
                                                        const SearchPath& path);
[[nodiscard]] Result<std::filesystem::path> find_behaviour(const ServerSection& server,
                                                           const SearchPath& path);

}  // namespace peeper::config
