// says: no member named
// says: timeout
#include <peeper/server.hpp>

#include <chrono>

namespace {

struct Server {
  struct State {
    int count;
  };
  State init() { return {}; }
  peeper::Result handle_call(const peeper::Message&, State&) {
    return peeper::stop("normal").timeout(std::chrono::seconds(1));
  }
};

}  // namespace

PEEPER_SERVER(Server)
