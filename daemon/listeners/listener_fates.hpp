// What becomes of a server's listeners: which of them its keeper is to have, and when one that
// keeps taking the keeper with it is left out. Pure: the time is an argument.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/loop/instant.hpp"

namespace peeper::daemon {

class ListenerFates {
 public:
  // As many deaths of the keeper as a server may have restarts by default; the time is long enough
  // for one that hangs, each of whose deaths takes `listener_timeout`. Beyond: it is off.
  static constexpr std::size_t kMostDeaths = 3;
  static constexpr std::chrono::seconds kPeriod{60};
  static constexpr int kPeriodInTimeouts = 6;

  enum class State {
    kOn,
    kOff,     // until the server is started anew, or its configuration changes
    kFailed,  // it could not be made; the next keeper tries again
  };
  struct Fate {
    std::string name;  // as configured
    State state = State::kOn;
    std::uint64_t crashes = 0;  // of the keeper, its doing
    std::string why;            // kFailed
    std::deque<Instant> recent; // of those
  };

  ListenerFates(const std::vector<std::string>& names,
                std::optional<std::chrono::milliseconds> timeout)
      : period_(std::max<std::chrono::milliseconds>(
            kPeriod, timeout.value_or(std::chrono::milliseconds{0}) * kPeriodInTimeouts)) {
    for (const std::string& name : names) all_.push_back(Fate{name, State::kOn, 0, "", {}});
  }

  [[nodiscard]] const std::vector<Fate>& all() const { return all_; }
  [[nodiscard]] bool any_on() const {
    return std::ranges::find(all_, State::kOn, &Fate::state) != all_.end();
  }

  // A keeper is about to be launched: those it is to have, as numbers in all().
  [[nodiscard]] std::vector<std::size_t> begin_keeper() {
    std::vector<std::size_t> wanted;
    for (std::size_t i = 0; i < all_.size(); ++i) {
      if (all_[i].state == State::kFailed) all_[i].state = State::kOn;
      if (all_[i].state == State::kOn) wanted.push_back(i);
    }
    return wanted;
  }
  void failed(std::size_t index, std::string why) {
    if (all_[index].state != State::kOn) return;
    all_[index].state = State::kFailed;
    all_[index].why = std::move(why);
  }
  // The keeper died while this one ran. The state that follows.
  State died_in(std::size_t index, Instant now) {
    Fate& fate = all_[index];
    ++fate.crashes;
    while (!fate.recent.empty() && now - fate.recent.front() > period_) fate.recent.pop_front();
    fate.recent.push_back(now);
    if (fate.recent.size() > kMostDeaths) fate.state = State::kOff;
    return fate.state;
  }
  // The server is started anew: whoever did that may have mended them.
  void start_over() {
    for (Fate& fate : all_) {
      fate.state = State::kOn;
      fate.recent.clear();
    }
  }

 private:
  const std::chrono::milliseconds period_;
  std::vector<Fate> all_;
};

}  // namespace peeper::daemon
