// says: replace_state must be public and take (const Message&, State&); a peeper::Context& may
// says: replace_state gets a copy of the State, whose changes would be lost: take State&
// says: replace_state changes the State: take State&, not const State&
#include <peeper/server.hpp>

namespace {

struct State {
  int count;
};

struct TakesArgs {
  using State = ::State;
  State init() { return {}; }
  void replace_state(State&, const peeper::Args&) {}
};

struct TakesCopy {
  using State = ::State;
  State init() { return {}; }
  void replace_state(const peeper::Message&, State) {}
};

struct TakesConst {
  using State = ::State;
  State init() { return {}; }
  void replace_state(const peeper::Message&, const State&) {}
};

}  // namespace

template const peeper::abi::Behaviour* peeper::detail::behaviour_table<TakesArgs>();
template const peeper::abi::Behaviour* peeper::detail::behaviour_table<TakesCopy>();
template const peeper::abi::Behaviour* peeper::detail::behaviour_table<TakesConst>();
