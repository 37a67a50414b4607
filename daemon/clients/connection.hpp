// One client: reads commands, runs them in order, writes the replies in order.
//
// Owner: itself while it is open, and calls that wait for a reply; Acceptor knows of it weakly.
// Thread: the loop's. It reads no further while the client owes it too much: replies not yet there,
// bytes not yet read, a message for which the mailbox has no room.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>

#include "common/resp/command_parser.hpp"
#include "common/unique_fd.hpp"
#include "daemon/clients/input.hpp"
#include "daemon/clients/output.hpp"
#include "daemon/commands/commands.hpp"
#include "daemon/commands/reply_queue.hpp"
#include "daemon/commands/session.hpp"
#include "daemon/loop/sockets.hpp"

namespace peeper::daemon {

class Connection : public Session,
                   public ReplySink,
                   public RoomWaiter,
                   public Subscriber,
                   private Sockets::User,
                   public std::enable_shared_from_this<Connection> {
 public:
  // What all connections share.
  struct Surroundings {
    boost::asio::io_context& loop;
    Sockets& sockets;
    Commands& commands;
    DaemonFacts& facts;
    resp::ParserLimits limits;
  };
  // `socket`: connected, and not blocking.
  Connection(UniqueFd socket, const Surroundings& around, std::uint64_t connection_id);
  ~Connection() override;

  void start();
  // Replies that are due are still written, then the connection ends.
  void finish();
  // At once.
  void close();

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
  // Sockets::User
  void on_ready(std::uint32_t what) override;
  void settle() override;

  [[nodiscard]] bool is_open() const { return static_cast<bool>(socket_); }
  [[nodiscard]] bool may_read() const;
  [[nodiscard]] bool owes_too_much() const;
  [[nodiscard]] std::size_t unsent_bytes() const { return output_.size() + replies_.bytes(); }
  void read();
  // The time of the command that is next, of which its timeout counts.
  enum class Since {
    kTurn,   // it had come when the turn began
    kNow,    // it has come
    kKnown,  // command_since_
  };
  // Runs what has been read, as far as it may.
  void run_commands(Since since);
  void run_one();
  void write();
  // Asks for what it can go on with, or ends if there is nothing left to do.
  void wait_for_more();
  void wait_while_busy();

  UniqueFd socket_;
  Sockets& sockets_;
  Commands& commands_;
  DaemonFacts& facts_;
  resp::CommandParser parser_;
  boost::asio::steady_timer busy_timer_;
  std::shared_ptr<Connection> self_;  // while it is open

  Input input_;
  ReplyQueue replies_;
  Output output_;
  bool has_ended_ = false;     // nothing more is read
  bool is_blocked_ = false;    // output_ waits for the client to read
  bool lags_behind_ = false;   // left too much unread, is about to be closed
  bool busy_ = false;          // parser_ holds a command that the mailbox has no room for
  Instant command_since_;      // when the command in parser_ was first tried
};

}  // namespace peeper::daemon
