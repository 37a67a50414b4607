// says: handle_call must return the reply
// says: handle_cast, handle_info, handle_continue and handle_start return a Result or void
// says: format_status must return what is to be shown
// says: reads_only must return bool
#include <peeper/server.hpp>

namespace {

struct Server {
  struct State {
    int count;
  };
  State init() { return {}; }
  void handle_call(const peeper::Message&, State&) {}
  int handle_cast(const peeper::Message&, State&) { return 1; }
  peeper::Result format_status(const State&) { return peeper::noreply(); }
  static int reads_only(const peeper::Message&) { return 1; }
};

}  // namespace

PEEPER_SERVER(Server)
