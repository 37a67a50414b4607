// Lines from a descriptor, also from one that does not block: O_NONBLOCK belongs to the open file,
// and whoever shares that may have set it.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

namespace peeper::cli {

class LineReader {
 public:
  // `fd` outlives it.
  explicit LineReader(int fd) : fd_(fd) {}

  // The next line without its end; the last one may have none. Blocks. None: there are no more, or
  // they can't be read.
  std::optional<std::string> next() {
    while (true) {
      if (const std::size_t end = read_.find('\n', searched_); end != read_.npos) {
        std::string line = read_.substr(0, end);
        read_.erase(0, end + 1);
        searched_ = 0;
        return line;
      }
      searched_ = read_.size();
      if (!read_more()) break;
    }
    if (read_.empty()) return std::nullopt;
    searched_ = 0;
    return std::exchange(read_, {});
  }

 private:
  bool read_more() {
    char bytes[4096];
    while (true) {
      const ssize_t got = ::read(fd_, bytes, sizeof bytes);
      if (got > 0) read_.append(bytes, static_cast<std::size_t>(got));
      if (got >= 0) return got > 0;
      if (errno == EAGAIN) {
        pollfd more{fd_, POLLIN, 0};
        if (::poll(&more, 1, -1) < 0 && errno != EINTR) return false;
      } else if (errno != EINTR) {
        return false;
      }
    }
  }

  const int fd_;
  std::string read_;
  std::size_t searched_ = 0;  // of it, for a line's end
};

}  // namespace peeper::cli
