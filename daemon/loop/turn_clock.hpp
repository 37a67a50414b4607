// The time of the loop's turns: one reading serves everybody who is told in a turn, so it is up to a
// turn old. That is right for what is shown, and for what was there before the turn began. What came
// during the turn takes a reading of its own where its deadline must not come early.
//
//   begin() ── turn ── begin() ── turn ── rest() ── looks, asio ── forget() ── asleep ── begin() …
//
// Owner: Runtime, which ends turns; Sockets begins them. Thread: the loop's. In ns of now_ns(), whose
// clock is Instant's.
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>

#include "common/clock.hpp"
#include "daemon/loop/instant.hpp"

namespace peeper::daemon {

class TurnClock {
 public:
  using Read = std::uint64_t (*)();
  explicit TurnClock(Read source = now_ns) : read_(source) {}

  // There is something to do. Ends the turn before, if it still lasts.
  void begin() { start(read()); }
  // There is nothing to do: the turn, if one lasts, is over.
  void rest() {
    read();
    start(0);
  }
  // Before what may take any time: who asks next reads.
  void forget() { latest_ = 0; }

  // The latest reading.
  [[nodiscard]] std::uint64_t ns() { return latest_ == 0 ? read() : latest_; }
  [[nodiscard]] Instant instant() { return instant_of(ns()); }
  // Another reading, the turn's from here on.
  std::uint64_t read() { return latest_ = read_(); }
  Instant read_instant() { return instant_of(read()); }

  // How long the turn that was over last took, once; 0: none.
  [[nodiscard]] std::uint64_t take_length() { return std::exchange(length_, 0); }

 private:
  static Instant instant_of(std::uint64_t ns) {
    return Instant{std::chrono::nanoseconds{static_cast<std::int64_t>(ns)}};
  }
  void start(std::uint64_t began) {
    if (began_ != 0) length_ = latest_ - began_;
    began_ = began;
  }

  Read read_;
  std::uint64_t latest_ = 0;  // 0: not known
  std::uint64_t began_ = 0;   // the turn; 0: none lasts
  std::uint64_t length_ = 0;
};

}  // namespace peeper::daemon
