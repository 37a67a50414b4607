// The process that shows a server's State each time it is asked: peeper-worker --observe. It runs
// the behaviour's code on what the worker left, so all that comes from it is doubted: how much, how
// late, whether it is one value.
//
// Owner: StateWatch. Thread: the loop's. Never blocks but for launching a process.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "common/launch.hpp"
#include "common/limits.hpp"
#include "common/result.hpp"
#include "daemon/inspection/state_event.hpp"
#include "daemon/process/child.hpp"

namespace peeper::daemon {

class Observer {
 public:
  struct Answer {
    launch::Seen seen;
    // Of kState and kSame:
    std::uint64_t sequence;
    std::uint64_t changes;  // of the State, as far as its worker has counted
    StateText value;
  };
  // Once for each ask(). A failure: the process has ended, or was ended for what it did; EAGAIN
  // where another is worth starting at once, EFAULT where it crashed.
  using OnAnswer = std::function<void(Result<Answer>)>;

  // One that takes longer than `limit` for an answer is killed.
  explicit Observer(boost::asio::io_context& loop,
                    std::chrono::milliseconds limit = limits::kInspectionTime)
      : loop_(loop), limit_(limit), timer_(loop) {}
  ~Observer() { stop(); }
  Observer(const Observer&) = delete;
  Observer& operator=(const Observer&) = delete;

  // `spec`: all but the descriptor it answers by.
  [[nodiscard]] Result<void> start(LaunchSpec spec);
  [[nodiscard]] bool runs() const { return child_ != nullptr; }
  [[nodiscard]] int pid() const { return child_ ? child_->pid() : 0; }
  [[nodiscard]] bool is_asked() const { return on_answer_ != nullptr; }
  // Of one that runs and isn't asked.
  void ask(OnAnswer on_answer);
  // Ends it; what it was asked is not answered.
  void stop();

 private:
  void wait_for_answer();
  void read_answer();
  [[nodiscard]] bool take_head();
  void finish();
  void fail(const std::string& what);
  void answer(Result<Answer> answer);
  void on_exit(int wait_status);

  boost::asio::io_context& loop_;
  const std::chrono::milliseconds limit_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<boost::asio::posix::stream_descriptor> socket_;
  std::unique_ptr<Child> child_;
  OnAnswer on_answer_;
  std::string bytes_;         // of the answer that is being read
  launch::FromObserver head_{};
  StateText last_;            // the last value it has shown
  // Which run it is: what was waited for in an earlier one finds another number.
  std::shared_ptr<std::uint64_t> run_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace peeper::daemon
