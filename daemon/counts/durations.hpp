// How many things took how long: counts between fixed bounds, small enough for one a server.
//
// Bounds are 1, 1.5, 2, 3, 5 and 7 times each power of ten from a microsecond to 70 seconds, so a
// quantile is known to within half of itself; those of 1, 2 and 5 are what Prometheus is told.
// Pure; times are arguments, in ns. Memory: 49 counts, 400 bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace peeper::daemon {

inline constexpr std::size_t kDurationBounds = 48;

// In ns, upwards. What is longer than the last is counted behind it.
inline constexpr std::array<std::uint64_t, kDurationBounds> kDurations = [] {
  std::array<std::uint64_t, kDurationBounds> bounds{};
  constexpr std::uint64_t kTenths[] = {10, 15, 20, 30, 50, 70};
  std::uint64_t hundred = 100;  // ns
  for (std::size_t i = 0; i < kDurationBounds; ++i) {
    bounds[i] = hundred * kTenths[i % 6];
    if (i % 6 == 5) hundred *= 10;
  }
  return bounds;
}();
static_assert(kDurations.front() == 1'000 && kDurations.back() == 70'000'000'000);

template <class Count>
class Durations {
 public:
  void add(std::uint64_t ns) {
    ++counts_[static_cast<std::size_t>(std::ranges::lower_bound(kDurations, ns) -
                                       kDurations.begin())];
    ++count_;
    sum_ += ns;
  }
  template <class Other>
  void merge(const Durations<Other>& other) {
    for (std::size_t i = 0; i < counts_.size(); ++i)
      counts_[i] += static_cast<Count>(other.counts()[i]);
    count_ += other.count();
    sum_ += other.sum_ns();
  }

  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] std::uint64_t sum_ns() const { return sum_; }
  // Of those up to each bound and longer than the one before; at the end those beyond the last.
  [[nodiscard]] const std::array<Count, kDurationBounds + 1>& counts() const { return counts_; }

  // What so large a share (0 to 1) didn't take longer than, in ns: between the bounds where it lies,
  // as if those there were spread evenly. 0 when nothing was added.
  [[nodiscard]] std::uint64_t quantile(double share) const {
    const double wanted = std::max(1.0, share * static_cast<double>(count_));
    double before = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      const auto here = static_cast<double>(counts_[i]);
      if (here > 0 && before + here >= wanted) {
        if (i == kDurationBounds) return kDurations.back();
        const auto from = static_cast<double>(i == 0 ? 0 : kDurations[i - 1]);
        const auto to = static_cast<double>(kDurations[i]);
        return static_cast<std::uint64_t>(
            std::llround(from + (to - from) * (wanted - before) / here));
      }
      before += here;
    }
    return 0;
  }

 private:
  std::array<Count, kDurationBounds + 1> counts_{};
  std::uint64_t count_ = 0;
  std::uint64_t sum_ = 0;
};

}  // namespace peeper::daemon
