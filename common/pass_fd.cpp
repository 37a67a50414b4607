#include "common/pass_fd.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace peeper {

ssize_t send_with_fd(int socket, const void* data, std::size_t bytes, int fd, int flags) {
  iovec part{const_cast<void*>(data), bytes};
  alignas(cmsghdr) char rights[CMSG_SPACE(sizeof fd)] = {};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = rights;
  message.msg_controllen = sizeof rights;
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  return ::sendmsg(socket, &message, flags | MSG_NOSIGNAL);
}

ssize_t receive_with_fd(int socket, void* data, std::size_t bytes, UniqueFd& fd, int flags) {
  fd.reset();
  iovec part{data, bytes};
  // Room for one: the kernel closes what more there is.
  alignas(cmsghdr) char rights[CMSG_SPACE(sizeof(int))];
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = rights;
  message.msg_controllen = sizeof rights;
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return got;
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head == nullptr || head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
    return got;
  int passed = -1;
  std::memcpy(&passed, CMSG_DATA(head), sizeof passed);
  fd.reset(passed);
  return got;
}

}  // namespace peeper
