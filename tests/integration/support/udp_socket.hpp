// A UDP socket on loopback: what a statsd daemon would hear.
#pragma once

#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <string>

#include "common/unique_fd.hpp"

namespace peeper::test {

class UdpSocket {
 public:
  UdpSocket() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t bytes = sizeof address;
    REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address), bytes) == 0);
    REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address), &bytes) == 0);
    address_ = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  }

  // HOST:PORT
  [[nodiscard]] const std::string& address() const { return address_; }

  // The next packet; empty after the patience.
  [[nodiscard]] std::string receive() const {
    pollfd wanted{socket_.get(), POLLIN, 0};
    if (::poll(&wanted, 1, 30'000) != 1) return {};
    std::array<char, 2'000> text{};
    const ssize_t got = ::recv(socket_.get(), text.data(), text.size(), 0);
    return got > 0 ? std::string(text.data(), static_cast<std::size_t>(got)) : std::string();
  }

 private:
  UniqueFd socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  std::string address_;
};

}  // namespace peeper::test
