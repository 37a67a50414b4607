#include "common/client/connection.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/client/failures.hpp"
#include "common/pass_fd.hpp"
#include "common/resp/command.hpp"

namespace peeper {

using client_detail::cannot_connect;
using client_detail::connection_closed;

namespace {

constexpr std::size_t kReadBytes = 16 * limits::KiB;
// Longer waits are cut to this, so that adding one to the time cannot overflow.
constexpr std::chrono::milliseconds kLongestWait = std::chrono::hours(24 * 365);

Result<sockaddr_un> address_of(std::string_view path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty()) return Failure{"cannot connect: the socket's path is empty", EINVAL};
  if (path.size() >= sizeof address.sun_path) {
    return Failure{"cannot connect to " + std::string(path) + ": the path has " +
                       std::to_string(path.size()) + " bytes, a socket's path may have " +
                       std::to_string(sizeof address.sun_path - 1),
                   ENAMETOOLONG};
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// connect() of a Unix socket waits for room in the listener's queue, at most this long.
void limit_connecting(int socket, std::chrono::milliseconds timeout) {
  // Zero would mean "for ever".
  const auto limited = std::clamp(timeout, std::chrono::milliseconds(1), kLongestWait);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(limited);
  timeval value{};
  value.tv_sec = seconds.count();
  value.tv_usec = std::chrono::microseconds(limited - seconds).count();
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &value, sizeof value);
}

// An interrupted connect() of a Unix socket has not begun: it may simply be called again.
int connect_to(int socket, const sockaddr_un& address) {
  int result = 0;
  do {
    // The sockets API takes every kind of address through this one type.
    result = ::connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  } while (result != 0 && errno == EINTR);
  return result == 0 ? 0 : errno;
}

bool is_gone(const Failure& failure) {
  return failure.system_error == EPIPE || failure.system_error == ECONNRESET;
}

}  // namespace

Result<Connection> Connection::connect(std::string_view socket_path, Milliseconds timeout) {
  const Result<sockaddr_un> address = address_of(socket_path);
  if (!address) return address.error();
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return system_failure("cannot make a socket", errno);
  limit_connecting(socket.get(), timeout);
  const int error = connect_to(socket.get(), *address);
  if (error == EAGAIN) return cannot_connect(socket_path, ETIMEDOUT);
  if (error != 0) return cannot_connect(socket_path, error);
  return adopt(std::move(socket));
}

Connection Connection::adopt(UniqueFd socket) {
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags >= 0) ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK);
  return Connection(std::move(socket));
}

Connection::Deadline Connection::deadline_after(Milliseconds timeout) {
  return {Clock::now() + std::clamp(timeout, Milliseconds(0), kLongestWait)};
}

Result<resp::Reply> Connection::command(std::span<const std::string_view> arguments,
                                        Milliseconds timeout) {
  Deadline deadline = deadline_after(timeout);
  std::string bytes;
  resp::append_command(bytes, arguments);
  const Result<void> sent = write_all(bytes, deadline);
  // A daemon that closes the connection may have said why before.
  if (!sent && !is_gone(sent.error())) return sent.error();
  while (true) {
    Result<resp::Reply> reply = next_value(deadline);
    if (!reply && reply.error().system_error == ETIMEDOUT) ++late_replies_;
    if (!reply && !sent) return sent.error();
    if (!reply || reply->type != resp::Reply::Type::kPush) return reply;
  }
}

Result<resp::Reply> Connection::command(std::initializer_list<std::string_view> arguments,
                                        Milliseconds timeout) {
  return command(std::span(arguments.begin(), arguments.size()), timeout);
}

Result<resp::Reply> Connection::hello(int protocol, Milliseconds timeout) {
  return command({"HELLO", std::to_string(protocol)}, timeout);
}

Result<void> Connection::send(std::span<const std::string_view> arguments, Milliseconds timeout) {
  std::string bytes;
  resp::append_command(bytes, arguments);
  return send_raw(bytes, timeout);
}

Result<void> Connection::send(std::initializer_list<std::string_view> arguments,
                              Milliseconds timeout) {
  return send(std::span(arguments.begin(), arguments.size()), timeout);
}

Result<void> Connection::send_raw(std::string_view bytes, Milliseconds timeout) {
  Deadline deadline = deadline_after(timeout);
  return write_all(bytes, deadline);
}

Result<resp::Reply> Connection::receive(Milliseconds timeout) {
  Deadline deadline = deadline_after(timeout);
  return next_value(deadline);
}

Result<resp::Reply> Connection::next_value(Deadline& deadline) {
  while (true) {
    Result<std::optional<resp::Reply>> value = buffer_.next();
    if (!value) return close_because(value.error());
    if (*value) {
      const bool is_reply = (*value)->type != resp::Reply::Type::kPush;
      if (late_replies_ == 0 || !is_reply) return std::move(**value);
      --late_replies_;
      continue;
    }
    if (const auto ready = wait(POLLIN, deadline); !ready) return ready.error();
    if (const auto got = read_some(); !got) return got.error();
  }
}

Result<void> Connection::write_all(std::string_view bytes, Deadline& deadline) {
  while (true) {
    const Result<std::size_t> written = write_some(bytes);
    if (!written) return written.error();
    bytes.remove_prefix(*written);
    if (bytes.empty()) return {};
    const short events = buffer_.is_full() ? POLLOUT : POLLIN | POLLOUT;
    const auto ready = wait(events, deadline);
    // Part of a command may be on its way: nothing sensible can follow it.
    if (!ready) return close_because(ready.error());
    if ((*ready & POLLIN) == 0) continue;
    if (const auto got = read_some(); !got) return got.error();
  }
}

Result<std::size_t> Connection::write_some(std::string_view bytes) {
  if (!socket_) return Failure{"the connection to peeperd is closed", ENOTCONN};
  while (true) {
    const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) {
      bytes_sent_ += static_cast<std::uint64_t>(sent);
      return static_cast<std::size_t>(sent);
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return std::size_t{0};
    if (errno == EPIPE || errno == ECONNRESET) return connection_closed(errno);
    return system_failure("cannot send to peeperd", errno);
  }
}

Result<void> Connection::read_some() {
  if (!socket_) return Failure{"the connection to peeperd is closed", ENOTCONN};
  const std::span<char> room = buffer_.room(kReadBytes);
  UniqueFd passed;
  const ssize_t got = receive_with_fd(socket_.get(), room.data(), room.size(), passed);
  const int error = got < 0 ? errno : 0;
  if (passed) passed_ = std::move(passed);
  buffer_.filled(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  if (got > 0 || error == EAGAIN) return {};
  if (got == 0 || error == ECONNRESET) return connection_closed(ECONNRESET);
  return system_failure("cannot receive from peeperd", error);
}

bool Connection::is_alive() const {
  pollfd polled{socket_.get(), POLLRDHUP, 0};
  return socket_ && ::poll(&polled, 1, 0) <= 0;
}

Result<short> Connection::wait(short events, Deadline& deadline) {
  if (!socket_) return Failure{"the connection to peeperd is closed", ENOTCONN};
  while (true) {
    const auto left = std::chrono::ceil<Milliseconds>(deadline.end - Clock::now());
    if (left.count() <= 0 && deadline.polled) return Failure{"no answer in time", ETIMEDOUT};
    deadline.polled = true;
    // poll takes an int; whoever waits longer than that simply asks again.
    const auto most = std::clamp<Milliseconds::rep>(left.count(), 0, 1'000'000'000);
    pollfd polled{socket_.get(), events, 0};
    const int ready = ::poll(&polled, 1, static_cast<int>(most));
    if (ready > 0) return polled.revents;
    if (ready < 0 && errno != EINTR) return system_failure("cannot wait for peeperd", errno);
  }
}

Failure Connection::close_because(Failure failure) {
  socket_.reset();
  return failure;
}

}  // namespace peeper
