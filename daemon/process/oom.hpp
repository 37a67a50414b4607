// The kernel's out-of-memory killer: who is its last choice, and whether it was it that killed.
//
// The kernel tells nobody whom it has killed but its log, which not everyone may read. What it does
// show is how many there were. So a SIGKILL that didn't come from here is laid to it if that number
// has risen within the last seconds, one death for each.
#pragma once

#include <algorithm>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string_view>

#include "daemon/loop/instant.hpp"

namespace peeper::daemon {

// --- Policy --------------------------------------------------------------------------------------

class OomTally {
 public:
  static constexpr std::chrono::seconds kPeriod{2};

  // What was counted now and then, at best once every kPeriod.
  void note(std::uint64_t count, Instant now) {
    if (begun_ && now - noted_at_ < kPeriod) return;
    explained_ = begun_ ? newest_ : count;
    newest_ = count;
    noted_at_ = now;
    begun_ = true;
  }
  // A process was killed, and that many in all. Was it one of them? Those are counted that came
  // since the last note but one, for the death may be noticed after the note.
  [[nodiscard]] bool explains_death(std::uint64_t count) {
    if (!begun_ || count <= explained_) return false;
    ++explained_;
    newest_ = std::max(newest_, explained_);
    return true;
  }

 private:
  bool begun_ = false;
  std::uint64_t explained_ = 0;
  std::uint64_t newest_ = 0;
  Instant noted_at_{};
};

// "name 12" of a file with such lines; 0: it isn't there.
[[nodiscard]] std::uint64_t count_of(std::string_view name, std::string_view text);

// --- Shell ---------------------------------------------------------------------------------------

// Makes this process one of the last to be killed, as far as it may. Returns the oom_score_adj it
// was started with.
int be_killed_last();

// One per io_context, as a service of it. Thread: the loop's. Reads a file of /proc or /sys.
class OomWatch : public boost::asio::execution_context::service {
 public:
  using key_type = OomWatch;
  static boost::asio::execution_context::id id;

  explicit OomWatch(boost::asio::execution_context& context);

  void start();
  // After the death of a child by a SIGKILL that was not ours.
  [[nodiscard]] bool explains_death();

 private:
  void shutdown() override;
  [[nodiscard]] std::uint64_t count() const;

  boost::asio::steady_timer timer_;
  // Of the control group this process is in: those of other containers don't count. Else the
  // machine's.
  std::filesystem::path file_;
  std::string_view name_;
  OomTally tally_;
};

}  // namespace peeper::daemon
