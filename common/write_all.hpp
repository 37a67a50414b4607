// Writing all of a text to a descriptor, which may be a pipe.
#pragma once

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace peeper {

// Blocks until all is written, also where the descriptor doesn't: O_NONBLOCK belongs to the open
// file, and whoever shares that may have set it. errno, 0 when it was; EPIPE: the reader has seen
// enough.
inline int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd room{fd, POLLOUT, 0};
      if (::poll(&room, 1, -1) < 0 && errno != EINTR) return errno;
    } else if (errno != EINTR) {
      return errno;
    }
  }
  return 0;
}

}  // namespace peeper
