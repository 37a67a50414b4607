#include "daemon/log/stderr_sink.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <string>

namespace peeper::daemon {
namespace {

std::string_view colour_of(spdlog::level::level_enum level) {
  switch (level) {
    case spdlog::level::trace: return "\033[37m";
    case spdlog::level::debug: return "\033[36m";
    case spdlog::level::info: return "\033[32m";
    case spdlog::level::warn: return "\033[33m\033[1m";
    case spdlog::level::err: return "\033[31m\033[1m";
    case spdlog::level::critical: return "\033[1m\033[41m";
    case spdlog::level::off:
    case spdlog::level::n_levels: break;
  }
  return "";
}

}  // namespace

// What is ready takes at least PIPE_BUF bytes without blocking.
std::size_t write_at_once(int fd, std::string_view text) {
  std::size_t done = 0;
  while (done < text.size()) {
    pollfd wanted{fd, POLLOUT, 0};
    if (::poll(&wanted, 1, 0) != 1 || (wanted.revents & POLLOUT) == 0) break;
    const ssize_t written =
        ::write(fd, text.data() + done, std::min<std::size_t>(text.size() - done, PIPE_BUF));
    if (written <= 0) break;
    done += static_cast<std::size_t>(written);
  }
  return done;
}

void StderrSink::sink_it_(const spdlog::details::log_msg& message) {
  spdlog::memory_buf_t formatted;
  formatter_->format(message, formatted);
  std::string text{formatted.data(), formatted.size()};
  if (colours_ == Colours::kOfLevels && message.color_range_end > message.color_range_start) {
    text.insert(message.color_range_end, "\033[m");
    text.insert(message.color_range_start, colour_of(message.level));
  }
  if (lost_ != 0)
    text.insert(0, "peeperd: " + std::to_string(lost_) + " lines were lost, nobody read them\n");
  if (is_in_line_) text.insert(0, "\n");
  const std::size_t written = write_at_once(fd_, text);
  if (written != 0) is_in_line_ = written != text.size();
  if (written == text.size())
    lost_ = 0;
  else
    ++lost_;
}

}  // namespace peeper::daemon
