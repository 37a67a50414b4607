// Landlock, as much of it as a sandbox needs. Thread: main, before there are others.
#pragma once

#include <string>
#include <vector>

#include "common/result.hpp"

namespace peeper::worker {

// From here on everything can be read and run, and nothing written, made or removed but these files
// and what is in these directories. What is open stays as it is.
[[nodiscard]] Result<void> allow_writes_only_to(const std::vector<std::string>& writable);

}  // namespace peeper::worker
