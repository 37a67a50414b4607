// A client that may send anything: bytes out, bytes in, and what the kernel says of both.
#pragma once

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "common/unique_fd.hpp"
#include "process.hpp"
#include "require.hpp"

namespace peeper::test {

class RawClient {
 public:
  explicit RawClient(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    int result = 0;
    do {  // EAGAIN: the backlog is full for a moment
      result = ::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
    } while (result != 0 && errno == EAGAIN);
    require(result == 0, "cannot connect to " + path);
  }

  // As much as there is room for, without waiting. -1: the other side has closed.
  ssize_t send_some(std::string_view bytes) {
    const ssize_t sent = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent < 0 && errno == EAGAIN ? 0 : sent;
  }
  // All of it, waiting for room. False: the other side has closed.
  bool send(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = send_some(bytes);
      if (sent < 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
      if (sent == 0) require(ready(POLLOUT), "peeperd takes no more bytes");
    }
    return true;
  }
  void end_of_input() { ::shutdown(fd_.get(), SHUT_WR); }

  // All that comes until the other side closes.
  std::string receive_to_end() {
    std::string all;
    char buffer[65536];
    while (true) {
      require(ready(POLLIN), "the connection stays open, after: " + all.substr(0, 200));
      const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      if (got <= 0) return all;
      all.append(buffer, static_cast<std::size_t>(got));
    }
  }
  // All that has come so far, without waiting.
  const std::string& look() {
    char buffer[65536];
    for (ssize_t got = 0; (got = ::recv(fd_.get(), buffer, sizeof buffer, 0)) > 0;)
      come_.append(buffer, static_cast<std::size_t>(got));
    return come_;
  }
  void close() { fd_.reset(); }

 private:
  bool ready(short events) const {
    pollfd wanted{fd_.get(), events, 0};
    return ::poll(&wanted, 1, static_cast<int>(kPatience.count() * 1000)) == 1;
  }

  UniqueFd fd_;
  std::string come_;
};

}  // namespace peeper::test
