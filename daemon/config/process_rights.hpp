// What of a configuration this machine, and the rights of this process, can't do: found when it is
// checked and before anything is started, with file and line as any other mistake.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/config/load.hpp"

namespace peeper::config {

// What peeperd may do here.
struct Rights {
  bool is_root = false;          // so that it may start workers as other users
  std::uint64_t most_files = 0;  // of its own hard limit
  bool may_raise_limits = false;
  bool may_raise_priority = false;
  int landlock_version = 0;      // of the kernel's ABI; 0: none
};
[[nodiscard]] Rights rights_of_this_process();

// Pure. Mistakes of the sections that are sound in themselves; after find_accounts().
[[nodiscard]] std::vector<Mistake> beyond_rights(const std::vector<ServerSection>& servers,
                                                 const Rights& rights);

// Looks each `user` up, which may block, and notes its account. One that isn't there is a mistake.
[[nodiscard]] std::vector<Mistake> find_accounts(std::vector<ServerSection>& servers);

// Both, for this process. Before a server is started, wherever its section came from.
[[nodiscard]] std::vector<Mistake> settle_processes(std::vector<ServerSection>& servers);

}  // namespace peeper::config
