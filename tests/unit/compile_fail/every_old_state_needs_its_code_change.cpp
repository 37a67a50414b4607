// says: code_change must be public and take (std::uint64_t old_version, OldState&)
// says: Missing
// says: code_change must return the new State, by value
// says: each type in OldStates says which version it was
// says: Unversioned
#include <peeper/server.hpp>

namespace {

struct Missing {
  static constexpr int version = 1;
  int count;
};
struct Returning {
  static constexpr int version = 2;
  int count;
};
struct Unversioned {
  int count;
};

struct Server {
  struct State {
    static constexpr int version = 4;
    long count;
  };
  using OldStates = peeper::types<Missing, Returning, Unversioned>;
  State init() { return {}; }
  int code_change(std::uint64_t, Returning& old) { return old.count; }
  State code_change(std::uint64_t, Unversioned& old) { return {.count = old.count}; }
};

}  // namespace

PEEPER_SERVER(Server)
