// One client: reads commands, runs them in order, writes the replies in order.
//
// Owner: itself while an operation is under way, and calls that wait for a reply; Listener knows of
// it weakly. Thread: the loop's. It reads no further while the client owes it too much: replies not
// yet there, bytes not yet read, a message for which the mailbox has no room.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "common/resp/command_parser.hpp"
#include "daemon/commands.hpp"
#include "daemon/reply_queue.hpp"
#include "daemon/session.hpp"

namespace peeper::daemon {

class Connection : public Session,
                   public ReplySink,
                   public RoomWaiter,
                   public Subscriber,
                   public std::enable_shared_from_this<Connection> {
 public:
  using Socket = boost::asio::local::stream_protocol::socket;

  Connection(Socket socket, Commands& commands, DaemonFacts& facts, resp::ParserLimits limits,
             std::uint64_t connection_id);
  ~Connection() override;

  void start() { read(); }
  // Replies that are due are still written, then the connection ends.
  void finish();

  // Session
  void reply(std::string_view value) override;
  bool reply_with_fd(std::string_view value, int fd) override;
  ReplyTarget reserve_reply() override;
  void cancel_reply() override;
  std::weak_ptr<RoomWaiter> as_room_waiter() override { return weak_from_this(); }
  std::weak_ptr<Subscriber> as_subscriber() override { return weak_from_this(); }
  // Session and Subscriber
  void push(std::string_view value) override;
  // ReplySink
  void deliver(std::uint64_t slot, std::string_view value) override;
  std::string who() const override { return client_text(*this); }
  // RoomWaiter
  void room_available() override;

 private:
  enum class Input { kOpen, kEnded };

  void read();
  void on_read(boost::system::error_code error, std::size_t bytes);
  // Runs what has been read, as far as it may.
  void run_commands();
  void run_one();
  void write();
  void flush_soon();
  void flush();
  void close();
  [[nodiscard]] bool owes_too_much() const;
  [[nodiscard]] std::size_t unsent_bytes() const;
  void wait_while_busy();

  Socket socket_;
  Commands& commands_;
  DaemonFacts& facts_;
  resp::CommandParser parser_;
  boost::asio::steady_timer busy_timer_;

  std::string input_;          // unconsumed bytes from input_begin_, read ones to input_end_
  std::size_t input_begin_ = 0;
  std::size_t input_end_ = 0;
  Input input_state_ = Input::kOpen;

  ReplyQueue replies_;
  std::string sending_;
  bool reading_ = false;
  bool writing_ = false;
  bool flush_posted_ = false;
  bool lags_behind_ = false;   // left too much unread, is about to be closed
  bool busy_ = false;          // parser_ holds a command that the mailbox has no room for
  Instant command_since_;      // when the command in parser_ was first tried
};

}  // namespace peeper::daemon
