#include "keeper/statsd_listener.hpp"

#include <netdb.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "keeper/statsd_text.hpp"

namespace peeper::keeper {

Result<std::unique_ptr<StatsdListener>> StatsdListener::open(std::string_view place) {
  const std::size_t colon = place.rfind(':');
  if (colon == place.npos) return Failure{"statsd needs HOST:PORT", 0};
  std::string host{place.substr(0, colon)};
  const std::string port{place.substr(colon + 1)};
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
    return Failure{"no address of statsd's host '" + host + "': " + ::gai_strerror(error), 0};
  UniqueFd socket{::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  const bool is_set =
      socket && ::connect(socket.get(), found->ai_addr, found->ai_addrlen) == 0;
  const int why = errno;
  ::freeaddrinfo(found);
  if (!is_set) return system_failure("no socket to statsd at " + std::string(place), why);
  return std::unique_ptr<StatsdListener>{new StatsdListener(std::move(socket))};
}

void StatsdListener::hear(const StateEvent& event) {
  for (const std::string& datagram : statsd_datagrams(event)) {
    if (::send(socket_.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL) >= 0) continue;
    if (!std::exchange(has_complained_, true))
      spdlog::warn("statsd can't be reached: {}; what is lost from here on is not logged",
                   std::strerror(errno));
  }
}

}  // namespace peeper::keeper
