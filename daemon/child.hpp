// One supervised process, held by pidfd.
//
// Owner: Server. Thread: the loop's. launch() blocks for as long as vfork and exec take; nothing
// else blocks but the destructor, which kills and reaps a child that still runs.
// Errors: launch() reports fork and exec failure; the later death arrives at `on_exit`, once.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/result.hpp"

namespace peeper::daemon {

struct LaunchSpec {
  std::string program;                         // absolute path
  std::vector<std::string> arguments;          // without the program's name
  std::vector<std::pair<int, int>> inherited;  // our descriptor, the child's; others are closed
};

class Child {
 public:
  using OnExit = std::function<void(int wait_status)>;

  // The child gets SIGKILL when this process dies, a process group of its own (a terminal's Ctrl-C
  // is for the daemon alone), default signal handlers, /dev/null as its input.
  static Result<std::unique_ptr<Child>> launch(boost::asio::io_context& loop,
                                               const LaunchSpec& spec, OnExit on_exit);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] int pid() const { return pid_; }
  [[nodiscard]] int pidfd() const { return pidfd_; }
  // No effect on a child that is already gone: a pidfd never names another process.
  void signal(int number);

 private:
  struct Handle;  // Boost.Process's, whose headers stay in child.cpp

  Child(boost::asio::io_context& loop, int pid, int pidfd, int end);
  void wait(OnExit on_exit);

  int pid_;
  int pidfd_;  // the handle's, which closes it
  std::unique_ptr<Handle> handle_;
  boost::asio::posix::stream_descriptor end_;  // a copy of pidfd_: readable at the end
  std::shared_ptr<bool> exited_ = std::make_shared<bool>(false);
};

}  // namespace peeper::daemon
