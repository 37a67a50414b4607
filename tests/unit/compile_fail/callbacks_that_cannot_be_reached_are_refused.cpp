// says: handle_cast must be public
// says: handle_info must be public
// says: terminate must be public
// says: handle_continue must be public and take (std::string_view argument, State&)
// says: handle_start must be public and take (State&)
// says: format_status must be public and take (const State&)
// says: reads_only must be public and take (const Message&)
#include <peeper/server.hpp>

namespace {

struct Server {
  struct State {
    int count;
  };
  State init() { return {}; }
  int handle_call(const peeper::Message&, State& state) { return state.count; }
  template <class T>
  void handle_info(const T&) {}
  void handle_continue(State&) {}
  void handle_start(peeper::Context&, State&) {}
  int format_status(State& state) { return state.count; }
  static bool reads_only(const peeper::Message&, const State&) { return true; }
  void terminate(State&) {}

 private:
  void handle_cast(const peeper::Message&, State&) {}
};

}  // namespace

PEEPER_SERVER(Server)
