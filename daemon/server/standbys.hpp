// The spare workers of one server: processes that have loaded the behaviour and mapped the segment,
// and wait. The oldest becomes the worker when that has died; another is prepared behind it.
//
// Owner: Server. Thread: the loop's. Nothing blocks but launching a process. A spare that can't be
// launched or dies while it waits harms nothing: it is replaced after a pause that grows.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "common/unique_fd.hpp"
#include "daemon/output/output_log.hpp"
#include "daemon/process/child.hpp"
#include "daemon/supervision/lifecycle.hpp"

namespace peeper::daemon {

class Standbys {
 public:
  // `spec` makes what a spare is launched with, but for the descriptor it is activated by, and its
  // pipes to `output`.
  Standbys(boost::asio::io_context& loop, std::string server, std::size_t count,
           OutputLog& output, std::function<LaunchSpec()> spec);
  Standbys(const Standbys&) = delete;
  Standbys& operator=(const Standbys&) = delete;

  // What there shall be now. Those that are missing are launched a moment later, so that the worker
  // which is just ready answers first.
  void tend(StandbyWish wish);
  // Ends those there are; they know code or memory that isn't the server's any more.
  void end_all();
  // The oldest spare is a worker from now on, and its death is told to `on_exit`. Null if there is
  // none. `line`: to it (launch.hpp).
  [[nodiscard]] std::unique_ptr<Child> activate(std::uint32_t incarnation, Child::OnExit on_exit,
                                                UniqueFd& line);
  // A worker that was a spare is ready: launching more is worth it.
  void succeeded() { pause_ = kFirstPause; }

  // Once all that were ended are gone; at once if none is left.
  void when_gone(std::function<void()> gone);

  [[nodiscard]] int first_pid() const { return spares_.empty() ? 0 : spares_.front().child->pid(); }
  // To the oldest. False if there is none.
  bool signal(int number);

 private:
  static constexpr std::chrono::milliseconds kFirstPause{1'000};
  static constexpr std::chrono::milliseconds kLongestPause{60'000};

  struct Spare {
    std::unique_ptr<Child> child;
    UniqueFd line;
    std::shared_ptr<Child::OnExit> on_exit;  // changes when it becomes the worker
  };
  void launch_missing();
  bool launch_one();
  void wait(std::chrono::milliseconds pause);
  void pause_longer();
  void on_exit(int pid, int wait_status);

  boost::asio::io_context& loop_;
  const std::string server_;
  const std::size_t count_;
  OutputLog& output_;
  const std::function<LaunchSpec()> spec_;
  boost::asio::steady_timer timer_;
  bool prepares_ = false;
  bool waiting_ = false;  // for the timer, to launch what is missing
  std::chrono::milliseconds pause_ = kFirstPause;
  std::deque<Spare> spares_;   // the oldest first
  std::deque<Spare> ending_;
  std::function<void()> gone_;
};

}  // namespace peeper::daemon
