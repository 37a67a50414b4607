// says: ok() moves the State; one that cannot be moved is returned as it is
#include <peeper/server.hpp>

#include <atomic>

namespace {

struct Server {
  struct State {
    std::atomic<int> count;
  };
  auto init() { return peeper::ok<State>(State{}); }
};

}  // namespace

PEEPER_SERVER(Server)
