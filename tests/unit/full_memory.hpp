// Stands in for a /dev/shm that is full, or fills up at a given moment: as long as one lives,
// posix_fallocate and MADV_POPULATE_WRITE reserve no more than it says. One at a time, for one file.
#pragma once

#include <cstdint>

namespace peeper::test {

class FullMemory {
 public:
  static constexpr std::uint64_t kUnlimited = UINT64_MAX;

  struct Room {
    std::uint64_t calls = kUnlimited;  // that succeed before all others fail
    std::uint64_t pages = kUnlimited;  // to be populated
    std::uint64_t bytes = kUnlimited;  // beyond what the file has at the first call
  };
  explicit FullMemory(Room room);
  FullMemory(const FullMemory&) = delete;
  FullMemory& operator=(const FullMemory&) = delete;
  ~FullMemory();

  [[nodiscard]] static int failures();
};

}  // namespace peeper::test
