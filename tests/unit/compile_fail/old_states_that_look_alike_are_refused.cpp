// says: a type in OldStates cannot be told from State: raise State's version
// says: two types in OldStates cannot be told from each other
#include <peeper/server.hpp>

namespace {

struct Same {
  static constexpr int version = 3;
  int count;
};
struct First {
  static constexpr int version = 1;
  int count;
};
struct Second {
  static constexpr int version = 1;
  int number;
};

struct Server {
  struct State {
    static constexpr int version = 3;
    int count;
  };
  using OldStates = peeper::types<Same, First, Second>;
  State init() { return {}; }
  template <class Old>
  State code_change(std::uint64_t, Old&) {
    return {};
  }
};

}  // namespace

PEEPER_SERVER(Server)
