// The last lines that a server's workers wrote. Pure and bounded. Owner: OutputLog.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace peeper::daemon {

enum class OutputStream { kOut, kErr };

struct OutputLine {
  std::uint64_t number = 0;       // of this server's, from 1 since it was configured
  std::uint64_t at_ns = 0;        // CLOCK_REALTIME, when it was read
  std::uint32_t incarnation = 0;  // 0: a standby's
  OutputStream stream = OutputStream::kOut;
  bool is_partial = false;
  std::uint64_t dropped = 0;      // lines right before it that were dropped
  std::string text;
};

class OutputRing {
 public:
  // Gives it its number. The reference is good until the next one.
  const OutputLine& add(OutputLine line);

  // Oldest first.
  [[nodiscard]] const std::deque<OutputLine>& lines() const { return lines_; }
  // Before the oldest: those that had to make room, or were dropped even before.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  std::deque<OutputLine> lines_;
  std::size_t cost_ = 0;
  std::uint64_t last_number_ = 0;
  std::uint64_t dropped_ = 0;
};

struct ServersRing {
  std::string_view server;
  const OutputRing* ring;
};
struct ServersLine {
  std::string_view server;
  const OutputLine* line;
  std::uint64_t dropped;  // before it, in all
};
// The last `most` lines of all these rings, merged by time, oldest first. Lines of one server keep
// their order, whatever became of the clock.
[[nodiscard]] std::vector<ServersLine> last_lines(std::span<const ServersRing> rings,
                                                  std::size_t most);

}  // namespace peeper::daemon
