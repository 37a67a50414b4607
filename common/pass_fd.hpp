// A message over a Unix socket with one file descriptor beside it (SCM_RIGHTS).
#pragma once

#include <sys/types.h>

#include <cstddef>

#include "common/unique_fd.hpp"

namespace peeper {

// As send(2), with `flags` of its own and MSG_NOSIGNAL. The receiver gets a descriptor that stands
// for the same file; `fd` stays the caller's.
[[nodiscard]] ssize_t send_with_fd(int socket, const void* data, std::size_t bytes, int fd,
                                   int flags = 0);

// As recv(2), but that signals don't end it. `fd` holds what came with the message, or nothing.
[[nodiscard]] ssize_t receive_with_fd(int socket, void* data, std::size_t bytes, UniqueFd& fd,
                                      int flags = 0);

}  // namespace peeper
