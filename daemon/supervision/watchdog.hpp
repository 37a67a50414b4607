// Does a callback take longer than it may? Pure: it is told what was seen, and when.
//
// It counts the time between two looks that saw the same callback, and no more of it than looks are
// apart: while this process was stopped, or the machine was, nothing was seen and nothing counts. A
// worker that is stopped or traced is in somebody's hands, and its time doesn't count either.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

#include "daemon/loop/instant.hpp"

namespace peeper::daemon {

class Watchdog {
 public:
  using Milliseconds = std::chrono::milliseconds;

  explicit Watchdog(Milliseconds limit) : limit_(limit) {}

  // How often to look. A callback is found out after `limit` at the earliest, and a quarter of that
  // later at the latest.
  [[nodiscard]] Milliseconds period() const {
    return std::clamp(limit_ / 8, Milliseconds{5}, Milliseconds{1'000});
  }

  struct Seen {
    bool in_callback = false;
    bool is_held = false;          // stopped, or traced
    std::uint64_t sequence = 0;    // these two tell one callback from another
    std::uint64_t started_at = 0;
  };
  enum class Verdict {
    kFine,
    kAbort,  // SIGABRT, so that it can say where it is
    kKill,   // it had its time to die
  };
  [[nodiscard]] Verdict look(const Seen& seen, Instant now) {
    const auto since = std::min<Instant::duration>(now - last_look_, 2 * period());
    last_look_ = now;
    const bool goes_on = seen.in_callback && !seen.is_held && !seen_.is_held &&
                         seen.sequence == seen_.sequence && seen.started_at == seen_.started_at;
    seen_ = seen;
    if (!goes_on) {
      counted_ = {};
      return Verdict::kFine;
    }
    counted_ += since;
    if (counted_ < limit_) return Verdict::kFine;
    if (has_struck_) return counted_ < limit_ + kGrace ? Verdict::kFine : Verdict::kKill;
    has_struck_ = true;
    return Verdict::kAbort;
  }

  // The worker that runs, or ran last, was found hanging.
  [[nodiscard]] bool has_struck() const { return has_struck_; }
  // Another worker runs.
  void forget() {
    has_struck_ = false;
    counted_ = {};
    seen_ = {};
  }
  [[nodiscard]] Milliseconds limit() const { return limit_; }

 private:
  // From SIGABRT to SIGKILL: time to write a core.
  static constexpr Milliseconds kGrace{1'000};

  Milliseconds limit_;
  Instant last_look_{};
  Seen seen_;
  Instant::duration counted_{};
  bool has_struck_ = false;
};

}  // namespace peeper::daemon
