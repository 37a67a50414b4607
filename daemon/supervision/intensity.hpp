// Restart intensity, as OTP's supervisor has it: more than max_restarts restarts within the last
// max_seconds end the restarting. Pure: the time is an argument.
// Source: https://www.erlang.org/doc/design_principles/sup_princ#maximum-restart-intensity
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

#include "daemon/loop/instant.hpp"

namespace peeper::daemon {

class Intensity {
 public:
  Intensity(std::uint32_t max_restarts, std::chrono::milliseconds period)
      : max_restarts_(max_restarts), period_(period) {}

  // A restart is due now: may it happen?
  [[nodiscard]] bool allows_restart(Instant now) {
    while (!restarts_.empty() && now - restarts_.front() > period_) restarts_.pop_front();
    if (restarts_.size() >= max_restarts_) return false;
    restarts_.push_back(now);
    return true;
  }
  void forget() { restarts_.clear(); }

 private:
  std::uint32_t max_restarts_;
  std::chrono::milliseconds period_;
  std::deque<Instant> restarts_;  // at most max_restarts_
};

}  // namespace peeper::daemon
