// What a peeperd and all its children take of memory.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace peeper::bench {

inline constexpr double kMiB = 1 << 20;

// "Rss", "Pss", "Pss_Shmem", … in bytes, from smaps_rollup.
std::map<std::string, double> memory_of(int pid);

struct Memory {
  double processes = 0;  // bytes: PSS of all, without shared memory
  double segments = 0;   // given to the instance's segments, touched or not

  [[nodiscard]] double all() const { return processes + segments; }
};

// Of the process, all its descendants, and the segments of the instance.
Memory memory_of_instance(int daemon, const std::string& instance);

// Bytes that the file has been given.
double allocated(const std::string& path);

// Lets this process, and all it starts from now on, have as many open files as it may. That many.
unsigned long raise_file_limit();

}  // namespace peeper::bench
