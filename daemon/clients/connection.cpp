#include "daemon/clients/connection.hpp"

#include <spdlog/spdlog.h>
#include <sys/socket.h>

#include <cerrno>

#include "common/limits.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {
namespace {

// As the kernel knows it from when it connected; 0 where it lives in another namespace.
std::uint32_t pid_of_peer(int socket) {
  ucred peer{};
  socklen_t bytes = sizeof peer;
  const bool known = ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0;
  return known && peer.pid > 0 ? static_cast<std::uint32_t>(peer.pid) : 0;
}

}  // namespace

Connection::Connection(UniqueFd socket, const Surroundings& around, std::uint64_t connection_id)
    : socket_(std::move(socket)),
      sockets_(around.sockets),
      commands_(around.commands),
      facts_(around.facts),
      parser_(around.limits),
      busy_timer_(around.loop) {
  id = connection_id;
  pid = pid_of_peer(socket_.get());
  ++facts_.connections;
  ++facts_.connections_received;
}

Connection::~Connection() { --facts_.connections; }

void Connection::start() {
  self_ = shared_from_this();
  join(sockets_, socket_.get());
  wait_for_more();
}

// --- Reading -------------------------------------------------------------------------------------

bool Connection::owes_too_much() const {
  return replies_.pending() >= limits::kPendingReplies || unsent_bytes() >= limits::kUnsentBytes;
}

bool Connection::may_read() const { return !busy_ && !has_ended_ && !owes_too_much(); }

void Connection::on_ready(std::uint32_t what) {
  if (is_blocked_ && (what & ~Sockets::kReadable) != 0) {
    is_blocked_ = false;
    settle_soon();
  }
  if (may_read() && (what & ~Sockets::kWritable) != 0) read();
}

void Connection::read() {
  const std::span<char> room = input_.room(sockets_.read_buffer(), parser_.wanted());
  const ssize_t got = ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT);
  if (got < 0) {
    if (errno != EAGAIN && errno != EINTR) close();
    return;
  }
  input_.added(static_cast<std::size_t>(got));
  facts_.received_bytes += static_cast<std::uint64_t>(got);
  if (got == 0) has_ended_ = true;  // it may still want its replies
  run_commands(Since::kTurn);
  // A command that waits has its arguments where they were; it is found again where they are.
  if (input_.keep() && busy_) (void)parser_.parse(input_.unread());
}

// What made the socket ready was there when the turn began, so the first command is of that time.
// Those behind it may have come since: they share a reading of their own, or their deadlines would
// come early.
void Connection::run_commands(Since since) {
  while (!busy_ && is_open() && !input_.is_empty() && !owes_too_much()) {
    const auto status = parser_.parse(input_.unread());
    if (status == resp::ParseStatus::kIncomplete) {
      if (has_ended_) input_.drop_all();  // the rest never comes
      break;
    }
    if (status == resp::ParseStatus::kError) {
      reply(error_value(parser_.error()));
      has_ended_ = true;
      input_.drop_all();
      break;
    }
    if (since == Since::kTurn) command_since_ = sockets_.clock().instant();
    if (since == Since::kNow) command_since_ = sockets_.clock().read_instant();
    since = since == Since::kTurn ? Since::kNow : Since::kKnown;
    run_one();
  }
  wait_for_more();
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
  input_.consume(parser_.consumed());
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
    self->commands_.note_given_up(self->parser_.arguments(), error_text);
    self->input_.consume(self->parser_.consumed());
    self->reply(error_text);
  });
}

void Connection::room_available() {
  if (!busy_ || !is_open()) return;
  run_one();
  if (busy_) return;
  busy_timer_.cancel();
  settle_soon();
}

void Connection::finish() {
  has_ended_ = true;
  input_.drop_all();
  settle_soon();
}

// --- Writing -------------------------------------------------------------------------------------

void Connection::reply(std::string_view value) {
  replies_.add(value, protocol);
  settle_soon();
}

// A few bytes into a socket that has nothing to send: they go at once, or it is full of what the
// client has not read.
bool Connection::reply_with_fd(std::string_view value, int fd) {
  if (!output_.is_empty() || replies_.pending() != 0 || !replies_.ready().empty()) return false;
  replies_.add(value, protocol);
  const bool sent = output_.send_with(socket_.get(), replies_.ready(), fd);
  settle_soon();
  return sent;
}

ReplyTarget Connection::reserve_reply() {
  return {shared_from_this(), replies_.reserve(protocol)};
}

void Connection::cancel_reply() {
  if (is_open()) replies_.cancel_last();
}

void Connection::deliver(std::uint64_t slot, std::string_view value) {
  if (!is_open()) return;
  // What its calls are still owed can't be bounded by reading no more of them.
  if (unsent_bytes() >= limits::kMostUnsentBytes) {
    spdlog::warn("client {} asks for more than it reads; its connection is closed", id);
    return close();
  }
  replies_.fill(slot, value);
  settle_soon();
}

// Closes only later: whoever publishes is still looking at who listens.
void Connection::push(std::string_view value) {
  if (!is_open() || lags_behind_) return;
  settle_soon();
  if (unsent_bytes() < limits::kMostUnsentBytes) return replies_.push(value, protocol);
  spdlog::warn("client {} subscribes to more than it reads; its connection is closed", id);
  lags_behind_ = true;
}

// Replies that come in one turn of the loop leave in one write. What was read and had to wait for
// that goes on.
void Connection::settle() {
  if (lags_behind_) return close();
  write();
  if (is_open()) run_commands(Since::kNow);
}

void Connection::write() {
  if (!replies_.ready().empty()) output_.take(replies_.ready());
  if (is_blocked_) return;
  const std::size_t before = output_.size();
  const Output::Sent sent = output_.send(socket_.get());
  facts_.sent_bytes += before - output_.size();
  switch (sent) {
    case Output::Sent::kAll: break;
    case Output::Sent::kSome: is_blocked_ = true; break;
    case Output::Sent::kFailed: close();
  }
}

void Connection::wait_for_more() {
  if (!is_open()) return;
  const bool has_nothing_to_say = output_.is_empty() && replies_.ready().empty();
  if (has_ended_ && has_nothing_to_say && replies_.pending() == 0 && !busy_ && input_.is_empty())
    return close();
  const std::uint32_t wanted = (may_read() ? Sockets::kReadable : 0) |
                               (is_blocked_ ? Sockets::kWritable : 0);
  if (!ask_for(wanted)) {
    spdlog::warn("client {} can't be waited for: no memory; its connection is closed", id);
    close();
  }
}

void Connection::close() {
  if (!is_open()) return;
  busy_timer_.cancel();
  busy_ = false;
  commands_.leave(*this);
  leave();
  socket_.reset();
  replies_ = {};  // calls still under way keep this object, for nothing
  output_ = {};
  sockets_.bury(std::move(self_));
}

}  // namespace peeper::daemon
