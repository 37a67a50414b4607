// How many calls were answered in the last ten seconds, and how long they took: what `peeper ls`
// shows. It forgets as time passes and needs no timer for that: old counts are cleared by whoever
// adds, and not looked at by whoever asks.
//
// Pure; times are arguments, in ns of a clock that never jumps. Memory: 1.3 KB.
#pragma once

#include <array>
#include <cstdint>

#include "daemon/counts/durations.hpp"

namespace peeper::daemon {

class Recent {
 public:
  static constexpr std::uint64_t kSliceNs = 2'000'000'000;
  static constexpr std::uint64_t kSlices = 6;  // five whole ones, and the one that is being filled

  struct Figures {
    double per_second = 0;
    std::uint64_t p99_ns = 0;  // 0: there were none
  };

  explicit Recent(std::uint64_t now = 0) : began_(now) {}

  void add(std::uint64_t now, std::uint64_t ns) {
    const std::uint64_t number = now / kSliceNs;
    Slice& slice = slices_[number % kSlices];
    if (slice.number != number) slice = {number, {}};
    slice.durations.add(ns);
  }

  [[nodiscard]] Figures look(std::uint64_t now) const {
    const std::uint64_t newest = now / kSliceNs;
    const std::uint64_t oldest = newest >= kSlices - 1 ? newest - (kSlices - 1) : 0;
    Durations<std::uint64_t> all;
    for (const Slice& slice : slices_)
      if (slice.number >= oldest && slice.number <= newest) all.merge(slice.durations);
    const std::uint64_t since = std::max(began_, oldest * kSliceNs);
    // Of the first moment no rate is worth anything.
    const std::uint64_t span = std::max(now > since ? now - since : 0, kSliceNs / 2);
    return {static_cast<double>(all.count()) * 1e9 / static_cast<double>(span),
            all.count() == 0 ? 0 : all.quantile(0.99)};
  }

 private:
  struct Slice {
    std::uint64_t number = 0;  // of all since the clock's beginning
    Durations<std::uint32_t> durations;
  };
  std::uint64_t began_;
  std::array<Slice, kSlices> slices_;
};

}  // namespace peeper::daemon
