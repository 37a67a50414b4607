// says: handle_call gets a copy of the State
// says: handle_cast gets a copy of the State
// says: terminate gets a copy of the State
// says: handle_continue gets a copy of the State
// says: handle_start gets a copy of the State
// says: format_status gets a copy of the State
#include <peeper/server.hpp>

namespace {

struct Server {
  struct State {
    int count;
  };
  State init() { return {}; }
  int handle_call(const peeper::Message&, peeper::From, State state) { return state.count; }
  void handle_cast(const peeper::Message&, State, peeper::Context&) {}
  void handle_info(const peeper::Message&, const State&) {}
  void handle_continue(std::string_view, State) {}
  void handle_start(State) {}
  void terminate(std::string_view, State) {}
  int format_status(State state) { return state.count; }
};

}  // namespace

PEEPER_SERVER(Server)
