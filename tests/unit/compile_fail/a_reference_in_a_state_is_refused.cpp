// says: Server::State
// says: use peeper::ptr<T>, or an index, for T&
#include <peeper/server.hpp>

namespace {

int outside = 0;

struct Server {
  struct State {
    int fine = 0;
    int& elsewhere = outside;
  };
  State init() { return {}; }
};

}  // namespace

PEEPER_SERVER(Server)
