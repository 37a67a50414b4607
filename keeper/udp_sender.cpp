#include "keeper/udp_sender.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace peeper::keeper {

void UdpSender::set(Addresses addresses) {
  addresses_ = std::move(addresses);
  present_ = 0;
  socket_.reset();
  came_back_ = false;
}

int UdpSender::send(const std::vector<std::string>& packets) {
  int why = 0;
  bool has_come_back = false;
  for (const std::string& packet : packets)
    if (const int error = send_one(packet, has_come_back); error != 0) why = error;
  came_back_ = has_come_back;
  return why != 0 ? why : has_come_back ? ECONNREFUSED : 0;
}

int UdpSender::send_one(std::string_view packet, bool& has_come_back) {
  int why = EDESTADDRREQ;
  for (std::size_t tried = 0; tried < addresses_.size(); ++tried) {
    why = send_here(packet, has_come_back);
    if (why == 0) return 0;
    present_ = (present_ + 1) % addresses_.size();
    socket_.reset();
    came_back_ = false;
  }
  return why;
}

int UdpSender::send_here(std::string_view packet, bool& has_come_back) {
  if (!socket_)
    if (const int error = connect(); error != 0) return error;
  const auto try_once = [&] {
    return ::send(socket_.get(), packet.data(), packet.size(), MSG_NOSIGNAL) < 0 ? errno : 0;
  };
  int error = try_once();
  if (error == ECONNREFUSED) {
    // An earlier one came back, and this one wasn't sent. Whoever listens there may have been
    // started anew meanwhile; if that was so with the event before, too, the next one's turn comes.
    has_come_back = true;
    if (came_back_ && addresses_.size() > 1) return error;
    error = try_once();
  }
  if (error != 0) return error;
  socklen_t bytes = sizeof error;
  return ::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error, &bytes) == 0 ? error : errno;
}

int UdpSender::connect() {
  const Address& to = addresses_[present_];
  UniqueFd made{::socket(to.bytes.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!made || ::connect(made.get(), reinterpret_cast<const sockaddr*>(&to.bytes), to.size) != 0)
    return errno;
  socket_ = std::move(made);
  return 0;
}

}  // namespace peeper::keeper
