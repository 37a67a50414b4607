// What the workers and standbys of one server write to stdout and stderr: taken line by line, kept
// for a while, written into the daemon's own log, and shown to who follows.
//
// Owner: Server. Thread: the loop's. Never blocks, whatever the processes write: each has two pipes
// (output_pipe.hpp). What was taken of a standby stays a standby's when that becomes the worker.
//
// The processes are readers of their own pipes, too. So a daemon that is killed costs nobody a
// SIGPIPE in the middle of a message: who writes more than a pipe holds waits until it is ended as
// every worker without its daemon is (common/orphan.hpp).
#pragma once

#include <array>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "daemon/loop/sockets.hpp"
#include "daemon/output/output_pipe.hpp"
#include "daemon/output/output_ring.hpp"
#include "daemon/process/spawn.hpp"

namespace peeper::daemon {

// The pipes of a process that is about to be launched.
struct OutputEnds {
  std::array<UniqueFd, 2> ours;
  std::array<UniqueFd, 2> theirs;
};

class OutputLog {
 public:
  using Show = std::function<void(const OutputLine& line)>;
  OutputLog(boost::asio::io_context& loop, Sockets& sockets, std::string server, Show show);

  // The process that `spec` launches will write into them. Fails for want of descriptors.
  [[nodiscard]] static Result<OutputEnds> make_ends(LaunchSpec& spec);
  // It runs. 0: as a standby.
  void watch(int pid, std::uint32_t incarnation, OutputEnds ends);
  void became(int pid, std::uint32_t incarnation);
  // What it has written so far is taken before this returns.
  void catch_up(int pid);
  // It has died, and was reaped. The same, and nothing more is taken, whoever still writes there.
  void ended(int pid);

  [[nodiscard]] const OutputRing& ring() const { return ring_; }

 private:
  struct Writer {
    std::uint32_t incarnation = 0;
    std::array<std::unique_ptr<OutputPipe>, 2> pipes;
  };
  void add(const Writer& writer, OutputStream stream, CutLine cut, std::uint64_t dropped);

  boost::asio::io_context& loop_;
  Sockets& sockets_;
  const std::string server_;
  const Show show_;
  OutputRing ring_;
  std::map<int, Writer> writers_;  // by pid; they stay where they are
};

}  // namespace peeper::daemon
