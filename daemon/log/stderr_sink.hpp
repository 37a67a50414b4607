// A sink of spdlog's that never waits for who reads our stderr, be it a terminal that was stopped
// or a pipe that nobody empties: then lines are lost, and how many is said when there is room.
// Thread: the loop's.
#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace peeper::daemon {

// How much of it `fd` takes without making anybody wait.
std::size_t write_at_once(int fd, std::string_view text);

class StderrSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  enum class Colours { kNone, kOfLevels };
  // `fd` stays the caller's.
  StderrSink(int fd, Colours colours) : fd_(fd), colours_(colours) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
  const int fd_;
  const Colours colours_;
  std::uint64_t lost_ = 0;
  bool is_in_line_ = false;  // the last one was cut
};

}  // namespace peeper::daemon
