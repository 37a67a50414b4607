// One connection to peeperd on Asio, which speaks HELLO 3 by itself. What AsyncClient and
// AsyncSubscription are made of; not for use by itself.
//
// Owner: by shared_ptr, for its own operations keep it alive. Thread: its executor's only. Nothing
// blocks. Its user is told through Events, never from inside a call of the user's; after lost() or
// close() nothing more is told.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/client/reply_buffer.hpp"
#include "common/resp/reply.hpp"
#include "common/result.hpp"

namespace peeper::client_detail {

namespace asio = boost::asio;

class AsyncConnection : public std::enable_shared_from_this<AsyncConnection> {
 public:
  class Events {
   public:
    virtual void opened() = 0;
    // A reply or a push. May call anything of the connection's.
    virtual void received(resp::Reply reply) = 0;
    // It could not be opened, or is gone.
    virtual void lost(const Failure& failure) = 0;

   protected:
    ~Events() = default;
  };

  // An `events` that is gone is told nothing.
  AsyncConnection(const asio::any_io_executor& executor, std::weak_ptr<Events> events);

  // Once, first.
  void open(const std::string& socket_path);
  // After opened(). Queues without a bound.
  void write(std::string_view bytes);
  // Reads until pause(). Without, neither replies nor a loss are noticed, and nothing keeps the
  // io_context running.
  void read();
  void pause();
  void close();

  [[nodiscard]] bool is_writing() const { return writing_; }
  // HELLO among them: what write() was given in all, and what peeperd may have got at most.
  [[nodiscard]] std::uint64_t bytes_given() const { return given_; }
  [[nodiscard]] std::uint64_t bytes_written_at_most() const {
    return written_ + (writing_ ? outgoing_.size() : 0);
  }

 private:
  void say_hello();
  void start_write();
  void start_read();
  void on_read(int error, std::size_t bytes);
  void take_values();
  void take(resp::Reply reply);
  void lose(const Failure& failure);

  asio::local::stream_protocol::socket socket_;
  std::weak_ptr<Events> events_;
  asio::cancellation_signal stop_reading_;
  ReplyBuffer buffer_;
  std::string queued_;
  std::string outgoing_;
  std::uint64_t given_ = 0;
  std::uint64_t written_ = 0;
  bool writing_ = false;
  bool reading_ = false;  // an operation is under way
  bool wants_to_read_ = false;
  bool taking_ = false;  // take_values() runs, or is about to
  bool has_hello_ = false;
  bool closed_ = false;
};

}  // namespace peeper::client_detail
