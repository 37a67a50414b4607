// Whether peeperd can write the log file that is configured: found when the configuration is
// checked and before anything is started, with file and line as any other mistake. Blocks on the
// file system; makes no file.
#pragma once

#include <optional>

#include "daemon/config/load.hpp"

namespace peeper::config {

[[nodiscard]] std::optional<Mistake> refuse_log_file(const DaemonSection& daemon);

}  // namespace peeper::config
