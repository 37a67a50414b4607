// says: handle_cast must be public
// says: handle_info must be public
// says: terminate must be public
#include <peeper/server.hpp>

namespace {

struct Server {
  struct State {
    int count;
  };
  State init() { return {}; }
  template <class T>
  void handle_info(const T&) {}
  void terminate(State&) {}

 private:
  void handle_cast(const peeper::Message&, State&) {}
};

}  // namespace

PEEPER_SERVER(Server)
