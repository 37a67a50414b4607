// says: this type cannot be made a reply
#include <peeper/server.hpp>

#include <thread>

namespace {

struct Server {
  struct State {
    int count;
  };
  State init() { return {}; }
  std::thread::id handle_call(const peeper::Message&, State&) { return {}; }
};

}  // namespace

PEEPER_SERVER(Server)
