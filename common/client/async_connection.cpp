#include "common/client/async_connection.hpp"

#include <sys/un.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cerrno>

#include "common/client/failures.hpp"
#include "common/resp/command.hpp"

namespace peeper::client_detail {
namespace {

using boost::system::error_code;

constexpr std::size_t kReadBytes = 16 * limits::KiB;
// Buffers that grew beyond this are given back.
constexpr std::size_t kKeptBytes = limits::MiB;

}  // namespace

AsyncConnection::AsyncConnection(const asio::any_io_executor& executor,
                                 std::weak_ptr<Events> events)
    : socket_(executor), events_(std::move(events)) {}

void AsyncConnection::open(const std::string& socket_path) {
  const auto fail = [&](int error) {
    asio::post(socket_.get_executor(), [self = shared_from_this(), socket_path, error] {
      self->lose(cannot_connect(socket_path, error));
    });
  };
  if (socket_path.empty()) return fail(EINVAL);
  if (socket_path.size() >= sizeof(sockaddr_un::sun_path)) return fail(ENAMETOOLONG);
  const asio::local::stream_protocol::endpoint endpoint(socket_path);
  socket_.async_connect(endpoint, [self = shared_from_this(), socket_path](error_code error) {
    if (self->closed_) return;
    if (error) return self->lose(cannot_connect(socket_path, error.value()));
    self->say_hello();
  });
}

void AsyncConnection::say_hello() {
  std::string bytes;
  resp::append_command(bytes, {"HELLO", "3"});
  write(bytes);
  read();
}

void AsyncConnection::write(std::string_view bytes) {
  if (closed_) return;
  queued_ += bytes;
  given_ += bytes.size();
  if (!writing_) start_write();
}

void AsyncConnection::start_write() {
  writing_ = true;
  if (outgoing_.capacity() > kKeptBytes) outgoing_ = std::string();
  outgoing_.clear();
  std::swap(outgoing_, queued_);
  asio::async_write(socket_, asio::buffer(outgoing_),
                    [self = shared_from_this()](error_code error, std::size_t bytes) {
                      self->writing_ = false;
                      self->written_ += bytes;
                      if (self->closed_) return;
                      // What peeperd said before it hung up is still to be read, and then its end.
                      if (error) return self->read();
                      if (!self->queued_.empty()) self->start_write();
                    });
}

void AsyncConnection::read() {
  if (closed_) return;
  wants_to_read_ = true;
  if (reading_ || taking_) return;
  if (buffer_.is_empty()) return start_read();
  taking_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->take_values(); });
}

void AsyncConnection::pause() {
  wants_to_read_ = false;
  if (reading_) stop_reading_.emit(asio::cancellation_type::terminal);
}

void AsyncConnection::close() {
  closed_ = true;
  error_code ignored;
  socket_.close(ignored);
}

void AsyncConnection::start_read() {
  reading_ = true;
  const std::span<char> room = buffer_.room(kReadBytes);
  socket_.async_read_some(
      asio::buffer(room.data(), room.size()),
      asio::bind_cancellation_slot(
          stop_reading_.slot(), [self = shared_from_this()](error_code error, std::size_t bytes) {
            self->on_read(error.value(), bytes);
          }));
}

void AsyncConnection::on_read(int error, std::size_t bytes) {
  reading_ = false;
  buffer_.filled(bytes);
  if (closed_) return;
  if (error == ECANCELED) {
    if (wants_to_read_) read();
    return;
  }
  // The end of the stream has a code in a category of Asio's own.
  if (error != 0) return lose(connection_closed(error == EPIPE ? EPIPE : ECONNRESET));
  take_values();
}

void AsyncConnection::take_values() {
  taking_ = true;
  while (!closed_ && wants_to_read_) {
    Result<std::optional<resp::Reply>> value = buffer_.next();
    if (!value) {
      lose(value.error());
    } else if (*value) {
      take(std::move(**value));
    } else {
      break;
    }
  }
  taking_ = false;
  if (!closed_ && wants_to_read_ && !reading_) start_read();
}

void AsyncConnection::take(resp::Reply reply) {
  const auto events = events_.lock();
  if (!events) return close();
  if (has_hello_) return events->received(std::move(reply));
  if (reply.type == resp::Reply::Type::kPush) return;
  if (reply.is_error()) return lose(refused(reply));
  has_hello_ = true;
  events->opened();
}

void AsyncConnection::lose(const Failure& failure) {
  if (closed_) return;
  close();
  if (const auto events = events_.lock()) events->lost(failure);
}

}  // namespace peeper::client_detail
