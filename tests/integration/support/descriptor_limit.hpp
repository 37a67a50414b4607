// For tests of a process that has no descriptors left.
#pragma once

#include <sys/resource.h>

#include <filesystem>
#include <string>

namespace peeper::test {

// The limit under which the process may open so many more.
inline rlim_t limit_for(int pid, int more) {
  rlim_t limit = 0;
  while (more > 0)
    if (!std::filesystem::exists(std::filesystem::symlink_status(
            "/proc/" + std::to_string(pid) + "/fd/" + std::to_string(limit++))))
      --more;
  return limit;
}

}  // namespace peeper::test
