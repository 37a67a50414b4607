// says: code_change needs the list of the former State types
#include <peeper/server.hpp>

namespace {

struct Old {
  static constexpr int version = 0;
  int count;
};

struct Server {
  struct State {
    static constexpr int version = 1;
    long count;
  };
  State init() { return {}; }
  State code_change(std::uint64_t, Old& old) { return {.count = old.count}; }
};

}  // namespace

PEEPER_SERVER(Server)
