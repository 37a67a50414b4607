// One connection to peeperd, blocking: RESP over a Unix stream socket. What is lost with it is
// lost; Client (client.hpp) connects again and sends again.
//
// Owner: whoever holds it; move-only. Thread: one at a time. Blocks: at most for the timeout given,
// measured on the monotonic clock. Signals are no errors; SIGPIPE is never raised.
// Memory: what the daemon sends is kept up to limits::kClientReplyBytes; see reply_buffer.hpp.
//
// Errors are sentences; Failure.system_error tells them apart:
//   ETIMEDOUT   no answer in time. The connection stays usable: the late reply is dropped when it
//               comes. (Unless the command could not even be sent whole; then it is closed.)
//   ECONNRESET, EPIPE   the daemon closed the connection; sent commands may or may not have run.
//   EPROTO      the daemon sent what is no RESP, or the value is too large. Closed.
//   ENOTCONN    the connection was closed by an error before.
// An error reply of the daemon's is a Reply, not a Failure.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "common/client/reply_buffer.hpp"
#include "common/limits.hpp"
#include "common/resp/reply.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace peeper {

class Connection {
 public:
  using Clock = std::chrono::steady_clock;
  using Milliseconds = std::chrono::milliseconds;

  // Blocks while the daemon's queue of new connections is full.
  static Result<Connection> connect(std::string_view socket_path,
                                    Milliseconds timeout = limits::kCallTimeout);
  // Takes a connected stream socket, and makes it non-blocking.
  static Connection adopt(UniqueFd socket);
  // The other way: the socket, non-blocking, without what was read from it and not yet received.
  [[nodiscard]] UniqueFd release() && { return std::move(socket_); }

  // Sends one command and waits for its reply. Nothing else may be outstanding (see send). Pushes
  // that arrive meanwhile are dropped: a connection that subscribes uses send and receive.
  Result<resp::Reply> command(std::span<const std::string_view> arguments, Milliseconds timeout);
  Result<resp::Reply> command(std::initializer_list<std::string_view> arguments,
                              Milliseconds timeout);

  // "HELLO <protocol>".
  Result<resp::Reply> hello(int protocol, Milliseconds timeout = limits::kCallTimeout);

  // Pipelining: any number of send, then as many receive, in order. While the daemon takes no more
  // commands, send reads replies into the buffer, so that neither side waits for the other.
  Result<void> send(std::span<const std::string_view> arguments,
                    Milliseconds timeout = limits::kCallTimeout);
  Result<void> send(std::initializer_list<std::string_view> arguments,
                    Milliseconds timeout = limits::kCallTimeout);
  // The bytes as they are.
  Result<void> send_raw(std::string_view bytes, Milliseconds timeout = limits::kCallTimeout);
  // The next value, a reply or a push.
  Result<resp::Reply> receive(Milliseconds timeout);
  // For whoever gave up waiting for a reply: it is dropped when it comes.
  void expect_late_reply() { ++late_replies_; }

  // False once an error has closed it. A daemon that hung up is only noticed by the next use.
  [[nodiscard]] bool is_open() const { return static_cast<bool>(socket_); }
  // That the kernel has taken. Whether the daemon read them is not known.
  [[nodiscard]] std::uint64_t bytes_sent() const { return bytes_sent_; }
  // What came beside a reply, CHANNEL's: the last one, if it was not taken.
  [[nodiscard]] UniqueFd take_descriptor() { return std::move(passed_); }
  // Does the daemon still hold its end? Asks the kernel; nothing may be outstanding.
  [[nodiscard]] bool is_alive() const;

 private:
  // Each wait polls at least once, however late it is: a timeout of 0 takes what is there. After
  // that the time counts even while bytes keep trickling in.
  struct Deadline {
    Clock::time_point end;
    bool polled = false;
  };

  static Deadline deadline_after(Milliseconds timeout);
  explicit Connection(UniqueFd socket) : socket_(std::move(socket)) {}

  Result<resp::Reply> next_value(Deadline& deadline);
  Result<void> write_all(std::string_view bytes, Deadline& deadline);
  // Both do nothing while the socket is not ready.
  Result<std::size_t> write_some(std::string_view bytes);
  Result<void> read_some();
  // Waits for the poll `events`; tells which came.
  Result<short> wait(short events, Deadline& deadline);
  Failure close_because(Failure failure);

  UniqueFd socket_;
  UniqueFd passed_;
  client_detail::ReplyBuffer buffer_;
  std::size_t late_replies_ = 0;  // of commands that timed out; dropped when they come
  std::uint64_t bytes_sent_ = 0;
};

}  // namespace peeper
