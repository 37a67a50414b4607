// How many descriptors this process has, found out once a second at most: before Linux 6.2 that
// takes a look at each. Owner: DaemonFacts. Thread: the loop's.
#pragma once

#include <cstdint>
#include <optional>

namespace peeper::daemon {

class OpenFiles {
 public:
  static constexpr std::uint64_t kKeptNs = 1'000'000'000;

  // `now`: in ns of a clock that never jumps.
  [[nodiscard]] std::uint64_t count(std::uint64_t now);

  // The two ways. 0: the kernel doesn't tell, or there is no /proc.
  [[nodiscard]] static std::uint64_t told();
  [[nodiscard]] static std::uint64_t listed();

 private:
  std::uint64_t count_ = 0;
  std::optional<std::uint64_t> counted_at_;
};

}  // namespace peeper::daemon
