// Writing all of a text to a descriptor, which may be a pipe.
#pragma once

#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace peeper {

// Blocks until all is written. errno, 0 when it was; EPIPE: the reader has seen enough.
inline int write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno != EINTR) return errno;
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace peeper
