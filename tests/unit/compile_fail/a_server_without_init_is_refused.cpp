// says: a server needs `State init(Args)` or `State init()`
#include <peeper/server.hpp>

namespace {

struct Server {
  struct State {
    int count;
  };
};

}  // namespace

PEEPER_SERVER(Server)
