// Where what listens to a server is. May block on the file system.
#pragma once

#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/config/behaviour_path.hpp"
#include "daemon/config/load.hpp"

namespace peeper::config {

// As the keeper takes it: "log", "statsd:HOST:PORT", "exec:FILE" or FILE, both absolute. A shared
// object is looked for as a behaviour is, a program relative to the configuration file's directory.
// Failure: there is no such file, or it is no program.
[[nodiscard]] Result<std::string> find_listener(const std::string& listener,
                                                const SearchPath& path);

// Those that aren't found, before anything is started.
[[nodiscard]] std::vector<Mistake> refuse_missing_listeners(
    const std::vector<ServerSection>& servers, const SearchPath& path);

}  // namespace peeper::config
