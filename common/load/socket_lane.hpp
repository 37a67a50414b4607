// A lane that is a connection to peeperd, or to anything else that speaks RESP2.
//
// Answers are counted, not made into values. What arrives lands in a buffer that all lanes of a
// thread share, so an idle one takes no memory for it.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "common/load/lane.hpp"
#include "common/resp/reply.hpp"
#include "common/unique_fd.hpp"

namespace peeper::load {

// A request, encoded once, and as many copies of it in a row as one write is to take.
class Request {
 public:
  explicit Request(std::string encoded);

  [[nodiscard]] std::size_t bytes() const { return bytes_; }
  [[nodiscard]] std::string_view copies() const { return copies_; }

 private:
  std::size_t bytes_;
  std::string copies_;
};

class SocketLane final : public Lane {
 public:
  // Blocks while the daemon's queue of new connections is full, as long as `timeout` at most.
  static Result<std::unique_ptr<SocketLane>> connect(std::string_view socket_path,
                                                     std::shared_ptr<const Request> request,
                                                     std::chrono::milliseconds timeout);
  SocketLane(UniqueFd socket, std::shared_ptr<const Request> request);

  Result<void> send(std::size_t count) override;
  [[nodiscard]] bool is_full() const override { return owed_ > 0; }
  Result<void> flush() override;
  Result<void> take(Answers& answers) override;
  [[nodiscard]] int descriptor() const override { return socket_.get(); }

 private:
  // The answers that `bytes` begin with; how many bytes they have.
  Result<std::size_t> count(std::string_view bytes, Answers& answers);

  UniqueFd socket_;
  std::shared_ptr<const Request> request_;
  std::size_t owed_ = 0;      // bytes of requests that the kernel has not taken
  std::size_t position_ = 0;  // in a request, of the next byte it gets
  std::string unread_;        // an answer that isn't whole
  resp::ValueScanner scanner_;
};

}  // namespace peeper::load
