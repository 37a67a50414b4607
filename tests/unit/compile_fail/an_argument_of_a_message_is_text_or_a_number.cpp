// says: an argument of a message is text, a number or a bool
#include <peeper/server.hpp>

namespace {

struct Server {
  struct State {
    int count;
  };
  State init() { return {}; }
  void handle_cast(const peeper::Message&, State& state, peeper::Context& context) {
    context.cast("other", "take", state);
  }
};

}  // namespace

PEEPER_SERVER(Server)
