// For tests of servers that run as another user: this takes root, and programs that any user may run.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string_view>

#include "instance.hpp"
#include "skip.hpp"

namespace peeper::test {

inline bool is_root() {
  if (::geteuid() != 0) skip("this takes root");
  return ::geteuid() == 0;
}

// The programs and a behaviour where any user may run them; for Instance::run_from().
inline std::filesystem::path install_for_all(const Instance& instance,
                                             std::string_view behaviour) {
  namespace fs = std::filesystem;
  fs::permissions(instance.directory(), fs::perms{0755});
  const fs::path root = instance.directory() / "installed";
  fs::create_directories(root / "bin");
  fs::create_directories(root / "lib/peeper");
  for (const char* name : {"peeperd", "peeper-keeper", "peeper-worker"})
    fs::copy_file(program(name), root / "bin" / name);
  const std::string library = std::string(behaviour) + ".so";
  fs::copy_file(fs::path(PEEPER_BEHAVIOUR_DIR) / library, root / "lib/peeper" / library);
  return root / "bin";
}

}  // namespace peeper::test
