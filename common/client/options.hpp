// How a client reaches peeperd, and how long it tries.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

#include "common/limits.hpp"

namespace peeper {

enum class Tokens {
  kMade,  // each message gets one: after a lost connection it is sent again, for one effect
  // Costs the server nothing; a message that was on its way when the connection was lost fails
  // (ECONNRESET). One that surely was not is sent again all the same.
  kNone,
};

struct ClientOptions {
  using Milliseconds = std::chrono::milliseconds;

  std::string socket = "/run/peeperd/peeperd.sock";
  // How long a server may take for a message that says nothing else.
  Milliseconds timeout = limits::kCallTimeout;
  // The client waits so much longer than that, for peeperd's own TIMEOUT says more.
  Milliseconds grace{1000};
  Tokens tokens = Tokens::kMade;
  // Between tries to connect; each pause is up to twice the one before.
  Milliseconds first_pause{10};
  Milliseconds longest_pause{500};
};

// Pauses that grow, each cut at random to between half of it and all, so that a thousand clients
// of a daemon that comes back don't all come at once. Pure.
class Backoff {
 public:
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds longest)
      : first_(std::max(first, std::chrono::milliseconds(1))),
        longest_(std::max(longest, first_)) {}

  // `random`: any number, better another one each time.
  std::chrono::milliseconds next(std::uint32_t random) {
    next_ = next_.count() == 0 ? first_ : std::min(next_ * 2, longest_);
    const auto half = next_.count() / 2;
    return std::chrono::milliseconds(next_.count() - half + random % (half + 1));
  }
  // Something was answered.
  void reset() { next_ = std::chrono::milliseconds(0); }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds longest_;
  std::chrono::milliseconds next_{0};
};

}  // namespace peeper
