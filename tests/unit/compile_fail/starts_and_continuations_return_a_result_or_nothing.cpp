// says: handle_cast, handle_info, handle_continue and handle_start return a Result or void
// says: reads_only is about calls, but there is no handle_call
// says: format_status must return what is to be shown
#include <peeper/server.hpp>

namespace {

struct Server {
  struct State {
    int count;
  };
  State init() { return {}; }
  bool handle_start(State&) { return true; }
  void format_status(const State&) {}
  static bool reads_only(const peeper::Message&) { return true; }
};

}  // namespace

PEEPER_SERVER(Server)
