// A closed load: on each lane so many requests are under way at any time; each answer lets the next
// one go. What its answers took, and how many were errors.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/load/crowd.hpp"
#include "common/load/latencies.hpp"
#include "common/result.hpp"

namespace peeper::load {

struct Load {
  std::size_t pipeline = 1;  // under way on each lane
  // It ends with so many requests, or after so long, whichever comes first; then it waits for the
  // answers that are missing.
  std::uint64_t requests = UINT64_MAX;
  std::chrono::nanoseconds time = std::chrono::hours(24 * 365);
  // A request without an answer for so long ends it (ETIMEDOUT).
  std::chrono::milliseconds patience{6000};
};

struct Tally {
  Latencies latencies;  // of all answers, errors among them
  std::uint64_t errors = 0;
  std::string first_error;
  std::chrono::nanoseconds time{0};       // from the first request to the last answer
  std::vector<std::uint64_t> of_lane;     // answers
  std::optional<Failure> failure;         // that ended it before its time

  [[nodiscard]] std::uint64_t answers() const { return latencies.count(); }
  [[nodiscard]] double seconds() const { return std::chrono::duration<double>(time).count(); }
  [[nodiscard]] double per_second() const {
    return time.count() == 0 ? 0 : static_cast<double>(answers()) / seconds();
  }
};

// Told of the answers so far, some ten times a second.
using Progress = std::function<void(std::uint64_t answers)>;

// Blocks until the load has ended. The crowd is free for another one then, unless it failed.
[[nodiscard]] Tally carry(Crowd& crowd, const Load& load, const Progress& progress = {});

}  // namespace peeper::load
