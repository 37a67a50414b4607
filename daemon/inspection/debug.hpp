// OTP's sys debug options of one server: trace, log, statistics. What happens between the server
// and others is counted, kept, printed, or told to who follows, as long as somebody wants it.
//
// Owner: Server. Thread: the loop's. Whoever has an event asks on() first, one load when nothing is
// wanted; then the event costs a line of text, or with statistics alone a count. System messages
// (SYS …) are no events, as in OTP, but for those that replace the state.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/segment/layout.hpp"
#include "daemon/config/config.hpp"
#include "daemon/inspection/trace_events.hpp"

namespace peeper::daemon {

// Of a line about an event; what is longer is cut. Enough for a name and some arguments.
inline constexpr std::size_t kDebugLineBytes = 256;
// Events the log keeps; OTP's default. Most: 256 KB a server. Beyond: BADARG.
inline constexpr std::size_t kDebugLogEvents = 10;
inline constexpr std::size_t kMostDebugLogEvents = 1000;

enum class Switch { kOff, kOn };

class Debug {
 public:
  using Clock = std::chrono::system_clock;
  using Time = Clock::time_point;
  using Print = std::function<void(std::string_view line)>;
  using Tell = std::function<void(std::string_view value)>;

  struct Statistics {
    Time start_time;
    std::uint64_t messages_in = 0;   // calls, casts and infos that were accepted
    std::uint64_t messages_out = 0;  // replies
    std::uint64_t crashes = 0;
  };

  // `print`: where trace goes, line by line, without line ends; `tell`: where followers get events,
  // one RESP3 map each.
  Debug(std::string server, std::span<const config::DebugOption> options, Print print,
        Tell tell = {});

  [[nodiscard]] bool on() const { return on_; }

  void set_trace(Switch to);
  // Does anybody follow?
  void set_followed(Switch to);
  // Switched on again they go on counting.
  void set_statistics(Switch to, Time now = Clock::now());
  // Keeps the last `events`, also of those it has; 0 forgets all.
  void set_log(std::size_t events);

  [[nodiscard]] const std::optional<Statistics>& statistics() const { return statistics_; }
  // Oldest first.
  [[nodiscard]] const std::deque<std::string>& log() const { return log_; }

  // --- Events. `who`: the other side, "client 7". ------------------------------------------------
  void message_in(segment::MessageType type, std::span<const std::string_view> strings,
                  std::string_view who, Time now = Clock::now());
  // `value`: RESP3; `ns`: since the call came, 0 if that isn't known.
  void message_out(std::string_view value, std::string_view who, std::uint64_t ns = 0,
                   Time now = Clock::now());
  void crashed(std::string_view cause, Time now = Clock::now());
  // A start, a code change.
  void happened(std::string_view what, Time now = Clock::now());

 private:
  void update_on();
  [[nodiscard]] bool wants_lines() const { return trace_ || log_events_ > 0; }
  void line(std::string text, Time now);
  void tell(TraceEvent event, Time now);

  std::string server_;
  Print print_;
  Tell tell_;
  TraceSample sample_;
  bool followed_ = false;
  bool on_ = false;
  bool trace_ = false;
  std::size_t log_events_ = 0;
  std::deque<std::string> log_;
  std::optional<Statistics> statistics_;
};

}  // namespace peeper::daemon
