// The listening socket: made with care for who else may have one there, accepting clients.
//
// Owner: Runtime. Thread: the loop's. open() blocks for one connect at most.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <filesystem>
#include <memory>
#include <vector>

#include "common/resp/command_parser.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "daemon/clients/connection.hpp"
#include "daemon/commands/commands.hpp"
#include "daemon/loop/sockets.hpp"

namespace peeper::daemon {

class Acceptor : private Sockets::User {
 public:
  explicit Acceptor(const Connection::Surroundings& around);
  // Closes all connections.
  ~Acceptor() override;

  // Refuses a path that is too long, a directory in which others may write, a file that isn't a
  // socket, and a socket on which somebody answers. A stale socket file is replaced.
  Result<void> open(const std::filesystem::path& path, unsigned mode);
  void start();
  // No new clients; the file goes. Connections stay.
  void close();
  // Ends the connections once their replies are written.
  void finish_connections();

 private:
  void on_ready(std::uint32_t what) override;
  // False: there is nobody who waits, or nobody can be let in for now.
  bool accept_one();
  void pause(int why);

  Connection::Surroundings around_;
  UniqueFd socket_;
  boost::asio::steady_timer pause_;
  std::filesystem::path path_;  // ours to remove; empty: none
  std::vector<std::weak_ptr<Connection>> connections_;
  std::uint64_t last_id_ = 0;
  bool starved_ = false;  // of descriptors; said once
};

}  // namespace peeper::daemon
