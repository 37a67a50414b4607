// on_crash_exec: a program of the user's that is told of each crash, as JSON on its standard input.
// peeper-crash-exec makes the JSON, with names and lines, and becomes that program: looking them up
// takes time that the daemon hasn't got.
//
// Owner: Server. Thread: the loop's. Never blocks but for launching a process. One program at a
// time: who crashes meanwhile is not told of. What fails is logged, and has no other effect.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/process/child.hpp"

namespace peeper::daemon {

class CrashExec {
 public:
  struct Programs {
    std::filesystem::path helper;  // peeper-crash-exec
    std::filesystem::path told;    // the user's
  };
  // A program that still runs after `limit` is killed.
  CrashExec(boost::asio::io_context& loop, std::string server, Programs programs,
            std::chrono::milliseconds limit = std::chrono::minutes{1});
  ~CrashExec();  // ends the program that still runs
  CrashExec(const CrashExec&) = delete;
  CrashExec& operator=(const CrashExec&) = delete;

  // `value`: the crash, as SYS CRASHES shows it.
  void run(std::string_view value);

 private:
  void on_exit(int wait_status);
  void kill_all() const;
  void on_time_limit();

  boost::asio::io_context& loop_;
  const std::string server_;
  const Programs programs_;
  const std::chrono::milliseconds limit_;
  std::unique_ptr<Child> child_;
  boost::asio::steady_timer timer_;
  std::uint64_t skipped_ = 0;  // since the one that runs was started
};

}  // namespace peeper::daemon
