// says: handle_call must be public and take (const Message&, State&)
#include <peeper/server.hpp>

#include <string>

namespace {

struct Server {
  struct State {
    int count;
  };
  State init() { return {}; }
  peeper::Result handle_call(const std::string&, State&) { return 1; }
};

}  // namespace

PEEPER_SERVER(Server)
