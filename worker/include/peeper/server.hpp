// A server: a class with a State and the callbacks of OTP's gen_server.
//
//   struct Counter {
//     struct State { std::int64_t count = 0; };
//     State init() { return {}; }
//     peeper::Result handle_call(const peeper::Message&, State& state) {
//       return peeper::reply(++state.count);
//     }
//   };
//   PEEPER_SERVER(Counter)
//
// All but init are optional, and each may be static:
//   State  init(Args)                                first start only; or init()
//   Result handle_call(const Message&, State&)       or (const Message&, From, State&); or returns
//                                                    the reply itself, of any type Value takes
//   Result handle_cast(const Message&, State&)       or void
//   Result handle_info(const Message&, State&)       or void
//   void   terminate(std::string_view reason, State&)
//
// One message is one transaction: what a callback changed in the State is kept when it returns, and
// undone when it throws or crashes. The behaviour object itself is made anew at each start and is
// not part of that. Thread: all callbacks run on one thread, one at a time.
// `static constexpr int version`, in State or behaviour: raise it when the State's meaning changes.
//
// Containers for the State: <peeper/containers.hpp>. Only one server in a shared object.
#pragma once

#include "peeper/detail/dispatch.hpp"
#include "peeper/message.hpp"
#include "peeper/result.hpp"
#include "peeper/value.hpp"

// Exports the server from this shared object. At namespace scope, outside any namespace.
#define PEEPER_SERVER(...)                                                                \
  extern "C" __attribute__((visibility("default"), used)) const ::peeper::abi::Behaviour* \
  peeper_behaviour() {                                                                    \
    return ::peeper::detail::behaviour_table<__VA_ARGS__>();                              \
  }
