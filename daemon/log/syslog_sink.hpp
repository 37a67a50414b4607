// A sink of spdlog's for the machine's syslog: a datagram a line, to the socket and in the form of
// syslog(3), but nobody waits. While syslog stands still or isn't there, lines are lost; how many is
// said before the next one that gets there, and elsewhere now and then. Thread: the loop's.
#pragma once

#include <spdlog/details/null_mutex.h>
#include <spdlog/sinks/base_sink.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/clock.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace peeper::daemon {

class SyslogSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  static constexpr std::size_t kMostBytes = 32 * 1024;  // of a line; more is cut off
  static constexpr std::uint64_t kTellEveryNs = 60'000'000'000;

  struct Options {
    std::string socket = "/dev/log";
    std::string name = "peeperd";
    // Somewhere else, that lines are lost, and why.
    std::function<void(const std::string&)> tell;
    std::uint64_t (*now_ns)() = peeper::now_ns;
  };

  // Failure: no socket of our own can be made. That nobody listens to the other one is none.
  [[nodiscard]] static Result<std::shared_ptr<SyslogSink>> open(Options options);
  SyslogSink(Options options, UniqueFd fd);

 private:
  void sink_it_(const spdlog::details::log_msg& message) override;
  void flush_() override {}
  // 0, or an errno.
  int send(std::string_view line);
  int connect();
  void lose(const std::string& why);
  std::string line_of(const spdlog::details::log_msg& message);

  const Options options_;
  const UniqueFd fd_;  // for good: what it is connected to may come and go
  std::uint64_t lost_ = 0;
  std::string why_lost_;
  std::optional<std::uint64_t> told_at_;
};

}  // namespace peeper::daemon
