// The daemon put together: one loop, the servers, the listening socket, the signals.
//
// main makes one and runs it. Thread: main's, the only one.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <string>

#include "common/result.hpp"
#include "daemon/clients/acceptor.hpp"
#include "daemon/commands/commands.hpp"
#include "daemon/config/load.hpp"
#include "daemon/loop/lookout.hpp"
#include "daemon/loop/sockets.hpp"
#include "daemon/loop/turn_clock.hpp"
#include "daemon/metrics/exporter.hpp"
#include "daemon/metrics/exposition.hpp"
#include "daemon/server/server.hpp"
#include "daemon/server/supervision_tree.hpp"

namespace peeper::daemon {

class Runtime {
 public:
  // `read_again`: the configuration as it is now, checked, for SIGHUP and SUPERVISOR RELOAD.
  Runtime(const config::Config& config, std::function<config::Loaded()> read_again,
          Programs programs, std::string version);

  // Opens the socket, starts the servers in order, serves until SIGTERM or SIGINT, or until the
  // tree ends by itself, then stops everything in reverse order. Says how the tree ended. Fails
  // only before the first server has started.
  Result<Tree::End> run();

 private:
  // Everybody once: false if there was nothing to do.
  bool turn();
  // Until there is something to do.
  void sleep();
  void serve();
  void watch_signals();
  void stop();
  void end(Tree::End how);
  void reload(ReplyTarget caller);
  Result<std::unique_ptr<Server>> make_server(const config::ServerSection& section,
                                              Supervision& supervision);

  const config::Config& config_;  // as it was at the start
  std::function<config::Loaded()> read_again_;
  Programs programs_;
  boost::asio::io_context loop_{1};
  boost::asio::signal_set signals_{loop_, SIGTERM, SIGINT, SIGHUP};
  boost::asio::steady_timer grace_{loop_};
  TurnClock clock_;
  Sockets sockets_{clock_};
  boost::asio::posix::stream_descriptor sockets_ready_;  // a duplicate
  bool awaits_sockets_ = false;
  int turns_without_asio_ = 0;
  DaemonFacts facts_;
  Subscriptions subscriptions_;
  Lookout lookout_{clock_};
  Servers servers_{subscriptions_};
  SupervisionTree tree_{loop_, servers_,
                        [this](const config::ServerSection& section, Supervision& supervision) {
                          return make_server(section, supervision);
                        }};
  Commands commands_{servers_, subscriptions_, facts_, config_.daemon.use};
  Acceptor acceptor_;
  Exporter exporter_{loop_, [this] { return exposition(facts_, servers_); }};
  bool stopping_ = false;
  Tree::End how_ = Tree::End::kOrdered;
};

}  // namespace peeper::daemon
