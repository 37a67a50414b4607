// What `peeper trace SERVER` is told: an event of a server as one RESP3 map, and how many of them.
// Pure; times are arguments, in ns of a clock that never jumps.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace peeper::daemon {

// Events of one server in one second, beyond which they are only counted: who looks can't read more,
// and they cost the daemon what a message does.
inline constexpr std::uint32_t kMostTraceEvents = 1000;
// Of an argument or a reply, what is told of it. Arguments beyond some are counted only.
inline constexpr std::size_t kTracedBytes = 256;
inline constexpr std::size_t kTracedArguments = 16;

class TraceSample {
 public:
  // Is the event at `now` to be told?
  [[nodiscard]] bool admits(std::uint64_t now) {
    constexpr std::uint64_t kSecond = 1'000'000'000;
    if (now / kSecond != second_) {
      second_ = now / kSecond;
      told_ = 0;
    }
    if (told_ == kMostTraceEvents) {
      ++dropped_;
      return false;
    }
    ++told_;
    return true;
  }
  // How many were not told since the last that was.
  [[nodiscard]] std::uint64_t take_dropped() {
    const std::uint64_t dropped = dropped_;
    dropped_ = 0;
    return dropped;
  }

 private:
  std::uint64_t second_ = 0;
  std::uint32_t told_ = 0;
  std::uint64_t dropped_ = 0;
};

struct TraceEvent {
  std::string_view time{};   // as time_text() has it
  std::string_view server{};
  std::string_view event{};  // "got", "replied", "crashed", or what happened
  std::string_view kind{};   // of a message: "call", "cast", "info", "answer", "system"
  std::string_view who{};    // the other side; empty: not known
  std::span<const std::string_view> strings{};  // the message's name and arguments
  std::string_view value{};  // a reply, RESP3; empty: none
  std::uint64_t ns = 0;      // from the call to its reply; 0: not known
  std::uint64_t dropped = 0;
};
[[nodiscard]] std::string trace_value(const TraceEvent& event);

}  // namespace peeper::daemon
