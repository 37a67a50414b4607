// How many answers took how long: counts in buckets that get wider as the times get longer, so that
// any time is known to within a 128th of itself. Pure; 58 KiB, whatever is added.
//
// Times are in ns, all that 64 bits hold. Source of the idea: HdrHistogram (Gil Tene), with 128
// buckets for each power of two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace peeper::load {

class Latencies {
 public:
  Latencies() : counts_(kBuckets) {}

  void add(std::uint64_t ns);
  void merge(const Latencies& other);

  [[nodiscard]] std::uint64_t count() const { return count_; }
  // Exact; 0 when nothing was added.
  [[nodiscard]] std::uint64_t least() const { return count_ == 0 ? 0 : least_; }
  [[nodiscard]] std::uint64_t most() const { return most_; }
  [[nodiscard]] double mean() const;
  // What so large a share (0 to 1) of the times is not longer than: never less than the exact one,
  // and at most a 128th more. 0 when nothing was added.
  [[nodiscard]] std::uint64_t quantile(double share) const;
  // How many took from `begin` to before `end`. A bucket counts where it begins.
  [[nodiscard]] std::uint64_t count_between(std::uint64_t begin, std::uint64_t end) const;

 private:
  static constexpr unsigned kBits = 7;  // 128 buckets a power of two
  // The first 256 are one ns wide; then 128 for each of the 56 powers of two that are left.
  static constexpr std::size_t kBuckets = (std::size_t{1} << kBits) * (64 - kBits + 1);

  static std::size_t bucket_of(std::uint64_t ns);
  static std::uint64_t first_of(std::size_t bucket);

  std::vector<std::uint64_t> counts_;
  std::uint64_t count_ = 0;
  std::uint64_t least_ = UINT64_MAX;
  std::uint64_t most_ = 0;
  double sum_ = 0;  // of years' worth of times, too
};

}  // namespace peeper::load
