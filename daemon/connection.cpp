#include "daemon/connection.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

#include "common/limits.hpp"
#include "common/pass_fd.hpp"
#include "daemon/reply_text.hpp"

namespace peeper::daemon {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kReadBytes = 16 * 1024;
// Buffers that grew beyond this for a large command or reply are given back after it.
constexpr std::size_t kKeptBytes = 256 * 1024;

// As the kernel knows it from when it connected; 0 where it lives in another namespace.
std::uint32_t pid_of_peer(int socket) {
  ucred peer{};
  socklen_t bytes = sizeof peer;
  const bool known = ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0;
  return known && peer.pid > 0 ? static_cast<std::uint32_t>(peer.pid) : 0;
}

}  // namespace

Connection::Connection(Socket socket, Commands& commands, DaemonFacts& facts,
                       resp::ParserLimits limits, std::uint64_t connection_id)
    : socket_(std::move(socket)),
      commands_(commands),
      facts_(facts),
      parser_(limits),
      busy_timer_(socket_.get_executor()) {
  id = connection_id;
  pid = pid_of_peer(socket_.native_handle());
  ++facts_.connections;
  ++facts_.connections_received;
}

Connection::~Connection() { --facts_.connections; }

// --- Reading -------------------------------------------------------------------------------------

bool Connection::owes_too_much() const {
  return replies_.pending() >= limits::kPendingReplies || unsent_bytes() >= limits::kUnsentBytes;
}

std::size_t Connection::unsent_bytes() const { return sending_.size() + replies_.bytes(); }

void Connection::read() {
  if (reading_ || busy_ || input_state_ == Input::kEnded || !socket_.is_open() || owes_too_much())
    return;
  if (input_begin_ > 0) {
    std::memmove(input_.data(), input_.data() + input_begin_, input_end_ - input_begin_);
    input_end_ -= std::exchange(input_begin_, 0);
  }
  if (input_end_ == 0 && input_.size() > kKeptBytes) input_ = {};
  // Doubling, so that a large command is moved a few times and not once a read; never by what a
  // length announces.
  const std::size_t most = input_end_ + std::max(kReadBytes, parser_.wanted());
  const std::size_t size =
      std::max(input_end_ + kReadBytes, std::min(2 * input_.size(), most));
  if (size > input_.size()) input_.resize(size);
  reading_ = true;
  socket_.async_read_some(
      asio::buffer(input_.data() + input_end_, input_.size() - input_end_),
      [self = shared_from_this()](boost::system::error_code error, std::size_t bytes) {
        self->reading_ = false;
        self->on_read(error, bytes);
      });
}

void Connection::on_read(boost::system::error_code error, std::size_t bytes) {
  if (!socket_.is_open()) return;
  input_end_ += bytes;
  if (error == asio::error::eof)
    input_state_ = Input::kEnded;  // it may still want its replies
  else if (error)
    return close();
  run_commands();
}

void Connection::run_commands() {
  while (!busy_ && socket_.is_open() && input_begin_ < input_end_ && !owes_too_much()) {
    const std::string_view unread{input_.data() + input_begin_, input_end_ - input_begin_};
    const auto status = parser_.parse(unread);
    if (status == resp::ParseStatus::kIncomplete) {
      if (input_state_ == Input::kEnded) input_begin_ = input_end_;  // the rest never comes
      break;
    }
    if (status == resp::ParseStatus::kError) {
      reply(error_value(parser_.error()));
      input_state_ = Input::kEnded;
      input_begin_ = input_end_;
      break;
    }
    command_since_ = std::chrono::steady_clock::now();
    run_one();
  }
  flush();
  read();
}

void Connection::run_one() {
  Outcome outcome = Outcome::kDone;
  if (!parser_.arguments().empty())
    outcome = commands_.run(*this, parser_.arguments(), command_since_);
  if (outcome == Outcome::kBusy) {
    if (!std::exchange(busy_, true)) wait_while_busy();
    return;
  }
  busy_ = false;
  input_begin_ += parser_.consumed();
  if (outcome == Outcome::kClose) finish();
}

// The command's bytes stay in the input: nothing is read while it waits.
void Connection::wait_while_busy() {
  const auto patience = commands_.patience(parser_.arguments(), command_since_);
  busy_timer_.expires_at(patience.until);
  busy_timer_.async_wait([self = shared_from_this(),
                          error_text = patience.error](boost::system::error_code error) {
    if (error || !self->busy_) return;
    self->busy_ = false;
    self->input_begin_ += self->parser_.consumed();
    self->reply(error_text);
    self->run_commands();
  });
}

void Connection::room_available() {
  if (!busy_ || !socket_.is_open()) return;
  run_one();
  if (busy_) return;
  busy_timer_.cancel();
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->run_commands(); });
}

void Connection::finish() {
  input_state_ = Input::kEnded;
  input_begin_ = input_end_;
  flush_soon();
}

// --- Writing -------------------------------------------------------------------------------------

void Connection::reply(std::string_view value) {
  replies_.add(value, protocol);
  flush_soon();
}

// A few bytes into a socket that has nothing to send: they go at once, or it is full of what the
// client has not read.
bool Connection::reply_with_fd(std::string_view value, int fd) {
  if (writing_ || replies_.pending() != 0 || !replies_.ready().empty()) return false;
  replies_.add(value, protocol);
  std::string bytes;
  std::swap(bytes, replies_.ready());
  const ssize_t sent =
      send_with_fd(socket_.native_handle(), bytes.data(), bytes.size(), fd, MSG_DONTWAIT);
  if (sent >= 0 && static_cast<std::size_t>(sent) < bytes.size())
    replies_.ready() = bytes.substr(static_cast<std::size_t>(sent));
  if (sent >= 0) flush_soon();
  return sent > 0;
}

ReplyTarget Connection::reserve_reply() {
  return {shared_from_this(), replies_.reserve(protocol)};
}

void Connection::cancel_reply() {
  if (socket_.is_open()) replies_.cancel_last();
}

void Connection::deliver(std::uint64_t slot, std::string_view value) {
  if (!socket_.is_open()) return;
  // What its calls are still owed can't be bounded by reading no more of them.
  if (unsent_bytes() >= limits::kMostUnsentBytes) {
    spdlog::warn("client {} asks for more than it reads; its connection is closed", id);
    return close();
  }
  replies_.fill(slot, value);
  flush_soon();
}

// Closes only later: whoever publishes is still looking at who listens.
void Connection::push(std::string_view value) {
  if (!socket_.is_open() || lags_behind_) return;
  if (unsent_bytes() < limits::kMostUnsentBytes) {
    replies_.push(value, protocol);
    return flush_soon();
  }
  spdlog::warn("client {} subscribes to more than it reads; its connection is closed", id);
  lags_behind_ = true;
  asio::post(socket_.get_executor(), [self = shared_from_this()] { self->close(); });
}

// Replies that come in one turn of the loop leave in one write.
void Connection::flush_soon() {
  if (std::exchange(flush_posted_, true)) return;
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->flush();
    if (!self->busy_ && !self->reading_) self->run_commands();
  });
}

void Connection::flush() {
  flush_posted_ = false;
  write();
}

void Connection::write() {
  if (writing_ || !socket_.is_open()) return;
  if (replies_.ready().empty()) {
    if (input_state_ == Input::kEnded && replies_.pending() == 0 && !busy_ &&
        input_begin_ >= input_end_)
      close();
    return;
  }
  writing_ = true;
  if (sending_.capacity() > kKeptBytes) sending_ = {};
  sending_.clear();
  std::swap(sending_, replies_.ready());
  asio::async_write(socket_, asio::buffer(sending_),
                    [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                      self->writing_ = false;
                      self->sending_.clear();
                      if (error) return self->close();
                      self->write();
                      if (!self->busy_ && !self->reading_) self->run_commands();
                    });
}

void Connection::close() {
  boost::system::error_code ignored;
  busy_timer_.cancel();
  busy_ = false;
  commands_.leave(*this);
  socket_.close(ignored);
  replies_ = {};  // calls still under way keep this object, for nothing
}

}  // namespace peeper::daemon
