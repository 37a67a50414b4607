// says: init must return the State, by value
#include <peeper/server.hpp>

namespace {

struct Server {
  struct State {
    int count;
  };
  int init(const peeper::Args&) { return 1; }
};

}  // namespace

PEEPER_SERVER(Server)
