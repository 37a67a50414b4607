// How long a call takes here, so that one that can't be done in time need not be begun.
//
// Mean and mean deviation with the gains of Jacobson, "Congestion Avoidance and Control" (1988), as
// TCP has them for its round trips; four deviations above the mean all but a few are done.
//
// What isn't run isn't measured, so an estimate that is far too long could keep every call out for
// ever. Therefore each call that is passed by for it shortens it, by little: with ten times as
// many calls as can be served, nine are passed by for each that is measured.
//
// Pure: times are arguments, in ns. Owner: Runtime.
#pragma once

#include <cstdint>

namespace peeper::worker {

class CallTime {
 public:
  void took(std::uint64_t ns) {
    const auto sample = static_cast<std::int64_t>(ns < kMost ? ns : kMost);
    if (mean_ == 0 && deviation_ == 0) {
      mean_ = sample;
      deviation_ = sample / 2;
      return;
    }
    const std::int64_t error = sample - mean_;
    mean_ += error / 8;
    deviation_ += ((error < 0 ? -error : error) - deviation_) / 4;
  }

  void passed_by() {
    mean_ -= mean_ / 256;
    deviation_ -= deviation_ / 256;
  }

  // Before anything was measured nothing is too long.
  [[nodiscard]] std::uint64_t most_of_them() const {
    return static_cast<std::uint64_t>(mean_ + 4 * deviation_);
  }

 private:
  static constexpr std::uint64_t kMost = 3'600'000'000'000;  // an hour: sums stay far from overflow

  std::int64_t mean_ = 0;
  std::int64_t deviation_ = 0;
};

}  // namespace peeper::worker
