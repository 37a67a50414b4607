// member: text
// says: use peeper::string for std::string
#include <peeper/server.hpp>

#include <string>

namespace {

struct Old {
  static constexpr int version = 0;
  std::string text;
};

struct Server {
  struct State {
    static constexpr int version = 1;
    int count;
  };
  using OldStates = peeper::types<Old>;
  State init() { return {}; }
  State code_change(std::uint64_t, Old&) { return {}; }
};

}  // namespace

PEEPER_SERVER(Server)
