// The reading end of one process's stdout or stderr.
//
// Owner: OutputLog. Thread: the loop's. Never blocks. It reads once a turn, and makes a pause when
// it has taken as much as it may (limits::kOutputTakenCost): whoever writes more then waits, and
// nobody else.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>

#include "common/limits.hpp"
#include "common/unique_fd.hpp"
#include "daemon/loop/sockets.hpp"
#include "daemon/output/line_cutter.hpp"

namespace peeper::daemon {

// The process's end is opened anew, for reading as well: a daemon that is killed costs it no SIGPIPE.
// False, with errno: for want of descriptors.
[[nodiscard]] bool open_output_pipe(UniqueFd& ours, UniqueFd& theirs);

class OutputPipe final : private Sockets::User {
 public:
  // `dropped`: lines right before this one. It must not destroy the pipe.
  using Take = std::function<void(CutLine line, std::uint64_t dropped)>;

  // `reading_end`: not blocking.
  OutputPipe(boost::asio::io_context& loop, Sockets& sockets, UniqueFd reading_end, Take take);
  ~OutputPipe() override { leave(); }

  // Takes what is in the pipe now, of a great deal the end. Of one that is dead that is all: nobody
  // else who has the other end is listened to any more.
  enum class Writer { kLives, kDead };
  void take_all(Writer writer);

 private:
  void on_ready(std::uint32_t) override;
  // At most so many bytes, in one go. False: nothing more comes, for now or ever.
  bool read(std::size_t most_bytes);
  void take_lines();
  void take(CutLine line);
  void listen();
  void rest(std::chrono::milliseconds pause);
  void end();

  Sockets& sockets_;
  UniqueFd fd_;  // none: it has ended
  const Take take_;
  LineCutter lines_;
  std::size_t budget_ = limits::kOutputTakenCost;
  std::chrono::steady_clock::time_point renewed_at_{};  // the budget
  std::uint64_t dropped_ = 0;                           // and not told yet
  boost::asio::steady_timer timer_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();  // as long as `this` is
};

}  // namespace peeper::daemon
