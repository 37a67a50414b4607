// Processes and descriptors, as /proc shows them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace peeper::torture {

struct Relative {
  int pid = 0;
  int parent = 0;
  char state = '?';  // as in proc(5)
  std::string name;  // "w:SERVER", "k:SERVER", "s:SERVER" once it runs
};

[[nodiscard]] std::vector<Relative> children_of(int pid);
// All that were started for this instance, whoever's children they are. No zombies.
[[nodiscard]] std::vector<Relative> of_instance(std::string_view instance);

// How many descriptors of each kind: "socket", "anon_inode:[pidfd]", a path …
using Descriptors = std::map<std::string, int>;
[[nodiscard]] Descriptors descriptors_of(int pid);
[[nodiscard]] std::string to_text(const Descriptors& descriptors);

// The instance's objects in /dev/shm, sorted.
[[nodiscard]] std::vector<std::string> segments_of(std::string_view instance);

}  // namespace peeper::torture
