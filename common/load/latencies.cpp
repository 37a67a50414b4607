#include "common/load/latencies.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

namespace peeper::load {

std::size_t Latencies::bucket_of(std::uint64_t ns) {
  const int width = std::bit_width(ns);
  const unsigned shift = width > static_cast<int>(kBits + 1)
                             ? static_cast<unsigned>(width) - (kBits + 1)
                             : 0;
  return (std::size_t{shift} << kBits) + static_cast<std::size_t>(ns >> shift);
}

std::uint64_t Latencies::first_of(std::size_t bucket) {
  if (bucket < (std::size_t{2} << kBits)) return bucket;
  const std::size_t shift = (bucket >> kBits) - 1;
  return static_cast<std::uint64_t>(bucket - (shift << kBits)) << shift;
}

void Latencies::add(std::uint64_t ns) {
  ++counts_[bucket_of(ns)];
  ++count_;
  least_ = std::min(least_, ns);
  most_ = std::max(most_, ns);
  sum_ += static_cast<double>(ns);
}

void Latencies::merge(const Latencies& other) {
  for (std::size_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  least_ = std::min(least_, other.least_);
  most_ = std::max(most_, other.most_);
  sum_ += other.sum_;
}

double Latencies::mean() const { return count_ == 0 ? 0 : sum_ / static_cast<double>(count_); }

std::uint64_t Latencies::quantile(double share) const {
  if (count_ == 0) return 0;
  const double wanted = std::ceil(std::clamp(share, 0.0, 1.0) * static_cast<double>(count_));
  const std::uint64_t rank = std::max<std::uint64_t>(static_cast<std::uint64_t>(wanted), 1);
  std::uint64_t seen = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen < rank) continue;
    const std::uint64_t last = i + 1 < kBuckets ? first_of(i + 1) - 1 : UINT64_MAX;
    return std::min(last, most_);
  }
  return most_;
}

std::uint64_t Latencies::count_between(std::uint64_t begin, std::uint64_t end) const {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < kBuckets; ++i) {
    const std::uint64_t first = first_of(i);
    if (first >= begin && first < end) count += counts_[i];
  }
  return count;
}

}  // namespace peeper::load
