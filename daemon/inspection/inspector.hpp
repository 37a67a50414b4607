// The process that shows a server's State where its worker doesn't: peeper-worker --inspect. It
// runs the behaviour's code on what may be a wild segment, so all that comes from it is doubted:
// how much, how late, whether it is one value.
//
// Owner: Server. Thread: the loop's. Never blocks but for launching a process. One at a time,
// beside those that cancel() has killed and that are not gone yet.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "common/limits.hpp"
#include "common/result.hpp"
#include "daemon/process/child.hpp"

namespace peeper::daemon {

class Inspector {
 public:
  // One RESP3 value, checked; or EAGAIN, when the State changed all the while; or why there is
  // none.
  using OnEnd = std::function<void(Result<std::string>)>;

  // A process that takes longer than `limit` is killed. `subject`: what it shows, for people.
  explicit Inspector(boost::asio::io_context& loop,
                     std::chrono::milliseconds limit = limits::kInspectionTime,
                     std::string subject = "the state")
      : loop_(loop), limit_(limit), subject_(std::move(subject)), timer_(loop) {}
  ~Inspector() { cancel(); }
  Inspector(const Inspector&) = delete;
  Inspector& operator=(const Inspector&) = delete;

  // Not while one runs. `spec`: all but the descriptor it answers by. `on_end` may start the next;
  // after a failure here it is not called.
  [[nodiscard]] Result<void> start(LaunchSpec spec, OnEnd on_end);
  [[nodiscard]] bool runs() const { return child_ != nullptr; }
  // Ends the one that runs, whose `on_end` is not called.
  void cancel();

 private:
  void wait_for_answer();
  void read_answer();
  void on_exit(int wait_status);
  [[nodiscard]] Result<std::string> judge(int wait_status) const;

  boost::asio::io_context& loop_;
  const std::chrono::milliseconds limit_;
  const std::string subject_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<boost::asio::posix::stream_descriptor> pipe_;
  std::unique_ptr<Child> child_;
  OnEnd on_end_;
  std::string answer_;
  bool is_late_ = false;
  // Which run it is: what was waited for in an earlier one finds another number.
  std::shared_ptr<std::uint64_t> run_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace peeper::daemon
