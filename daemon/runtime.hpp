// The daemon put together: one loop, the servers, the listening socket, the signals.
//
// main makes one and runs it. Thread: main's, the only one.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "common/result.hpp"
#include "daemon/commands.hpp"
#include "daemon/config/config.hpp"
#include "daemon/listener.hpp"
#include "daemon/server.hpp"

namespace peeper::daemon {

class Runtime {
 public:
  // `libraries`: each server's behaviour file, in the order of the configuration.
  Runtime(const config::Config& config, const std::vector<std::filesystem::path>& libraries,
          Programs programs, std::string version);

  // Opens the socket, starts the servers in order, serves until SIGTERM or SIGINT, then stops
  // everything in reverse order. Fails only before the first server has started.
  Result<void> run();

 private:
  void start_next(std::size_t index);
  void serve();
  void stop();
  void stop_next(std::size_t left);
  void end();

  const config::Config& config_;
  Programs programs_;
  boost::asio::io_context loop_{1};
  boost::asio::signal_set signals_{loop_, SIGTERM, SIGINT};
  boost::asio::steady_timer grace_{loop_};
  Subscriptions subscriptions_;
  Servers servers_{subscriptions_};
  DaemonFacts facts_;
  Commands commands_{servers_, subscriptions_, facts_, config_.daemon.use};
  Listener listener_;
  bool stopping_ = false;
};

}  // namespace peeper::daemon
