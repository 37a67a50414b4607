// says: OldStates must be peeper::types<OldState, ...>
#include <peeper/server.hpp>

namespace {

struct Server {
  struct State {
    int count;
  };
  struct Old {
    static constexpr int version = 1;
    int count;
  };
  using OldStates = Old;
  State init() { return {}; }
  State code_change(std::uint64_t, Old& old) { return {.count = old.count}; }
};

}  // namespace

PEEPER_SERVER(Server)
