// The real Redis, to compare with, and whole exchanges of bytes with either.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "common/client/connection.hpp"
#include "common/resp/command.hpp"
#include "common/resp/reply.hpp"
#include "process.hpp"
#include "raw_client.hpp"
#include "require.hpp"

namespace peeper::test {

using Words = std::vector<std::string>;

// A redis-server that nobody else uses, gone with this object.
class RedisServer {
 public:
  explicit RedisServer(const std::filesystem::path& directory)
      : socket_((directory / "redis.sock").string()),
        process_({{"redis-server", "--port", "0", "--unixsocket", socket_, "--save", "",
                   "--appendonly", "no"},
                  {},
                  directory,
                  (directory / "redis.log").string()}) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!Connection::connect(socket_).has_value())
      require(std::chrono::steady_clock::now() < deadline, "redis-server does not start");
  }

  static bool is_installed() {
    return run({{"redis-server", "--version"}, {}, {}, {}}).exit_code == 0;
  }
  [[nodiscard]] const std::string& socket() const { return socket_; }
  [[nodiscard]] int pid() const { return process_.pid(); }

 private:
  std::string socket_;
  Process process_;
};

// The replies, each with its bytes as they came, to these commands on one connection. `used`: the
// server to USE first, if any. Not more commands than a daemon takes while nobody reads: some
// thousands.
inline Words replies_of(const std::string& socket, const std::vector<Words>& commands,
                        std::optional<std::string> used = {}) {
  std::string bytes;
  const auto add = [&](const Words& words) {
    const std::vector<std::string_view> views(words.begin(), words.end());
    resp::append_command(bytes, views);
  };
  if (used) add({"USE", *used});
  for (const Words& words : commands) add(words);
  add({"QUIT"});
  RawClient client{socket};
  require(client.send(bytes), "the connection was closed");
  const std::string received = client.receive_to_end();
  Words replies;
  std::string_view left = received;
  while (!left.empty()) {
    const resp::Scanned scanned = resp::scan_value(left);
    require(scanned.status == resp::Scan::kComplete, "no reply: " + std::string(left));
    replies.emplace_back(left.substr(0, scanned.bytes));
    left.remove_prefix(scanned.bytes);
  }
  require(replies.size() == commands.size() + (used ? 2 : 1), "not as many replies as commands");
  replies.pop_back();
  if (used) replies.erase(replies.begin());
  return replies;
}

}  // namespace peeper::test
