#include "common/load/socket_lane.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "common/client/connection.hpp"
#include "common/client/failures.hpp"
#include "common/limits.hpp"

namespace peeper::load {
namespace {

constexpr std::size_t kWriteBytes = 64 * limits::KiB;
constexpr std::size_t kReadBytes = 64 * limits::KiB;
// An unread answer that grew beyond this is given back with its end.
constexpr std::size_t kKeptBytes = 64 * limits::KiB;

// "CODE text" of an error, empty for any other reply.
std::string_view error_of(std::string_view reply) {
  if (reply.front() != '-' && reply.front() != '!') return {};
  if (reply.front() == '!') reply.remove_prefix(reply.find('\n'));
  const std::string_view text = reply.substr(1, reply.size() - 3);
  return text.empty() ? "(an error without a text)" : text;
}

}  // namespace

Request::Request(std::string encoded) : bytes_(encoded.size()), copies_(std::move(encoded)) {
  const std::string one = copies_;
  while (copies_.size() + bytes_ <= kWriteBytes) copies_ += one;
}

Result<std::unique_ptr<SocketLane>> SocketLane::connect(std::string_view socket_path,
                                                        std::shared_ptr<const Request> request,
                                                        std::chrono::milliseconds timeout) {
  Result<Connection> connection = Connection::connect(socket_path, timeout);
  if (!connection) return connection.error();
  return std::make_unique<SocketLane>(std::move(*connection).release(), std::move(request));
}

SocketLane::SocketLane(UniqueFd socket, std::shared_ptr<const Request> request)
    : socket_(std::move(socket)), request_(std::move(request)) {}

Result<void> SocketLane::send(std::size_t count) {
  owed_ += count * request_->bytes();
  return flush();
}

// What is owed is copies of one request, so any part of it is a part of `copies`.
Result<void> SocketLane::flush() {
  while (owed_ > 0) {
    const std::string_view next = request_->copies().substr(position_, owed_);
    const ssize_t sent = ::send(socket_.get(), next.data(), next.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
    // What the daemon said before it hung up is there to be taken; then its end is.
    if (sent < 0 && (errno == EPIPE || errno == ECONNRESET)) owed_ = 0;
    else if (sent < 0) return system_failure("cannot send to peeperd", errno);
    if (sent < 0) break;
    owed_ -= static_cast<std::size_t>(sent);
    position_ = (position_ + static_cast<std::size_t>(sent)) % request_->bytes();
  }
  return {};
}

Result<void> SocketLane::take(Answers& answers) {
  thread_local std::array<char, kReadBytes> buffer;
  ssize_t got = 0;
  do {
    got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return {};
  if (got < 0 && errno != ECONNRESET) return system_failure("cannot read from peeperd", errno);
  if (got <= 0) return client_detail::connection_closed(ECONNRESET);
  const std::string_view bytes(buffer.data(), static_cast<std::size_t>(got));
  if (unread_.empty()) {
    const Result<std::size_t> counted = count(bytes, answers);
    if (!counted) return counted.error();
    unread_ = bytes.substr(*counted);
    return {};
  }
  unread_ += bytes;
  const Result<std::size_t> counted = count(unread_, answers);
  if (!counted) return counted.error();
  unread_.erase(0, *counted);
  if (unread_.empty() && unread_.capacity() > kKeptBytes) unread_ = std::string();
  return {};
}

Result<std::size_t> SocketLane::count(std::string_view bytes, Answers& answers) {
  std::size_t counted = 0;
  while (counted < bytes.size()) {
    const std::string_view rest = bytes.substr(counted);
    const resp::Scan status = scanner_.scan(rest);
    if (status == resp::Scan::kMalformed)
      return Failure{"peeperd sent something that is not RESP", EPROTO};
    if (status == resp::Scan::kIncomplete) {
      if (rest.size() >= limits::kClientReplyBytes)
        return Failure{"peeperd sent a reply that is too large", EPROTO};
      break;
    }
    const std::size_t size = scanner_.bytes();
    scanner_ = resp::ValueScanner();
    answers.answered(error_of(rest.substr(0, size)));
    counted += size;
  }
  return counted;
}

}  // namespace peeper::load
