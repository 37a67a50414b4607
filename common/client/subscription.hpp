// What servers publish, blocking: `ctx.publish(channel, value)` of server `clock` arrives at those
// who subscribed to "clock/CHANNEL". Has a connection of its own.
//
//   auto ticks = peeper::Subscription::open({"clock/ticks"}, client.options());
//   while (auto got = ticks->next(1s)) use(got->channel, got->value);
//
// After a lost connection it connects and subscribes again by itself. What was published meanwhile
// is missed: peeperd keeps nothing for those who are away. The next publication says so.
//
// Owner: whoever holds it; move-only. Thread: one at a time. Blocks: next() for its timeout.
// Whoever takes too little is disconnected by peeperd, and may have missed something then, too.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "common/client/connection.hpp"
#include "common/client/options.hpp"
#include "common/client/publication.hpp"
#include "common/result.hpp"

namespace peeper {

class Subscription {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // One try. An error of peeperd's is a failure (EREMOTEIO), here and later.
  static Result<Subscription> open(std::vector<std::string> channels, ClientOptions options = {});

  // The next publication. ETIMEDOUT: nothing came in time. Other failures: as Client's; peeperd did
  // not come back in time, or refuses. It may be asked again after each.
  Result<Publication> next(Milliseconds timeout);

  // How many times it has subscribed again.
  [[nodiscard]] std::size_t losses() const { return losses_; }

 private:
  Subscription(std::vector<std::string> channels, ClientOptions options);

  Result<void> connect(Milliseconds timeout);
  Result<void> subscribe(Connection& connection, std::chrono::steady_clock::time_point deadline);

  ClientOptions options_;
  std::vector<std::string> channels_;
  Backoff backoff_;
  std::optional<Connection> connection_;
  std::deque<Publication> early_;  // came while it subscribed
  std::size_t losses_ = 0;
  bool was_connected_ = false;
  bool missed_ = false;  // not told yet
};

}  // namespace peeper
