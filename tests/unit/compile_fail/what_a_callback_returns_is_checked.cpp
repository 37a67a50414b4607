// says: handle_call must return the reply
// says: handle_cast and handle_info return a Result or void
#include <peeper/server.hpp>

namespace {

struct Server {
  struct State {
    int count;
  };
  State init() { return {}; }
  void handle_call(const peeper::Message&, State&) {}
  int handle_cast(const peeper::Message&, State&) { return 1; }
};

}  // namespace

PEEPER_SERVER(Server)
