// What a keeper with listeners writes, in our own log: its own messages, which come by a pipe of
// their own and have a priority before them ("<3>text", see sd-daemon(3)), as "server NAME: text",
// and what listeners and the programs that they start write to stdout and stderr as "server NAME
// keeper| text", whatever it is.
//
// Owner: KeeperListeners. Thread: the loop's. Never blocks; a flood makes only the keeper wait, as
// with a worker's (output_pipe.hpp).
#pragma once

#include <spdlog/common.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "daemon/loop/sockets.hpp"
#include "daemon/output/output_pipe.hpp"
#include "daemon/process/spawn.hpp"

namespace peeper::daemon {

struct KeeperLine {
  spdlog::level::level_enum level;
  std::string text;  // of one line, perhaps with bytes that are for no log
};
// Both pure.
[[nodiscard]] KeeperLine keeper_line(std::string_view server, std::string_view written);
[[nodiscard]] KeeperLine printed_line(std::string_view server, std::string_view written);

class KeeperLog {
 public:
  KeeperLog(boost::asio::io_context& loop, Sockets& sockets, std::string server)
      : loop_(loop), sockets_(sockets), server_(std::move(server)) {}

  // The keeper's, until it was launched.
  struct Ends {
    UniqueFd log;
    UniqueFd output;
  };
  // Pipes for the keeper that `spec` launches. Fails for want of descriptors.
  [[nodiscard]] Result<Ends> open(LaunchSpec& spec);
  // It is dead: what it has written is taken before this returns, and no more.
  void ended();

 private:
  using Shape = KeeperLine (*)(std::string_view server, std::string_view written);
  [[nodiscard]] std::unique_ptr<OutputPipe> watch(UniqueFd reading_end, Shape shape);

  boost::asio::io_context& loop_;
  Sockets& sockets_;
  const std::string server_;
  std::unique_ptr<OutputPipe> log_;
  std::unique_ptr<OutputPipe> output_;
};

}  // namespace peeper::daemon
