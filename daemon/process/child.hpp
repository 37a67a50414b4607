// One supervised process, held by pidfd, with all that it has started.
//
// Owner: Server. Thread: the loop's. launch() blocks for as long as vfork and exec take; nothing
// else blocks but the destructor, which kills and reaps a child that still runs: where others are
// to be served meanwhile, let_go() it.
// Errors: launch() reports fork and exec failure; the later death arrives at `on_exit`, once.
//
// The processes that a child has started end with it: its process group is killed before the child
// is reaped (until then nobody else can have the group's number), and what has left the group by
// Descendants. When this process is killed, the group ends by its leash (leash.hpp).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <memory>

#include "common/result.hpp"
#include "daemon/process/spawn.hpp"

namespace peeper::daemon {

class Descendants;

class Child {
 public:
  using OnExit = std::function<void(int wait_status)>;

  static Result<std::unique_ptr<Child>> launch(boost::asio::io_context& loop,
                                               const LaunchSpec& spec, OnExit on_exit);
  ~Child();
  // Kills it, without waiting for it to be gone, and tells nobody when it is. A process with much
  // memory, or one that waits for a file server, takes its time to die.
  static void let_go(std::unique_ptr<Child> child);
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  [[nodiscard]] int pid() const { return pid_; }
  [[nodiscard]] int pidfd() const { return pidfd_; }
  // No effect on a child that is already gone: a pidfd never names another process.
  void signal(int number);
  // Was it sent SIGKILL from here?
  [[nodiscard]] bool was_killed() const { return was_killed_; }

 private:
  struct Handle;  // Boost.Process's, whose headers stay in child.cpp

  Child(boost::asio::io_context& loop, int pid, int pidfd, int end);
  void wait(OnExit on_exit);
  [[nodiscard]] bool has_ended() const;
  void end_group() const;

  int pid_;
  int pidfd_;  // the handle's, which closes it
  Descendants& descendants_;
  std::unique_ptr<Handle> handle_;
  boost::asio::posix::stream_descriptor end_;  // a copy of pidfd_: readable at the end
  bool was_killed_ = false;
  std::shared_ptr<bool> exited_ = std::make_shared<bool>(false);
};

}  // namespace peeper::daemon
