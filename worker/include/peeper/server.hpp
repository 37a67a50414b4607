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
// The callbacks. All but init are optional, each may be static, and each but reads_only may take a
// `peeper::Context&` as its last parameter: timers, messages to servers, late replies, the
// dictionary (context.hpp).
//   State  init(Args)                   or init(). Once in a State's life, not after a crash: the
//                                       State stands. May return Started: ok(State).timeout(5s)
//   Result handle_start(State&)         or void. At each start of the worker, after init or after
//                                       a crash: to open what a process loses. Not in OTP
//   Result handle_call(const Message&, From, State&)
//                                       or without From; or returns the reply itself, of any type
//                                       Value takes
//   Result handle_cast(const Message&, State&)                          or void
//   Result handle_info(const Message&, State&)                          or void. SEND; timers;
//                                       "timeout"; answers to calls of one's own (Message::answer)
//   Result handle_continue(std::string_view argument, State&)           or void
//   void   terminate(std::string_view reason, State&)                   on stop, on shutdown, on an
//                                       exception; not after a signal
//   State  code_change(std::uint64_t old_version, OldState&)            for each of
//                                       `using OldStates = peeper::types<...>` (code_change.hpp)
//   Value  format_status(const State&)  what SYS GET_STATE shows; without it, the whole State. May
//                                       read the dictionary, and has no effects. Where the worker
//                                       doesn't answer it runs in another process, on a behaviour
//                                       object that is made there
//   Result replace_state(const Message&, State&)                        or void. peeper
//                                       replace-state SERVER VALUE ...: the values are arguments of
//                                       a message "replace_state". Also while the server is
//                                       suspended. Nothing, or noreply(), is OK; an error that it
//                                       returns is the answer, and what it changed before is kept
//   bool   reads_only(const Message&)   true: this call leaves the State alone, so it is run without
//                                       a journal, as all are if handle_call takes a const State&,
//                                       until it has another effect (context.hpp) or builds a
//                                       peeper:: container. A write to the State before that is a
//                                       crash. Has no effects itself. Not in OTP
//
// Result (result.hpp), in OTP's words: reply(value), noreply(), stop(reason), stop(reason, value);
// the first two with .timeout(duration), .hibernate() or .continue_with(argument).
//
// One message is one transaction: what a callback changed in the State, sent and started is kept
// when it returns, and undone when it throws or crashes. The behaviour object itself is made anew
// at each start and is not part of that. Thread: all callbacks run on one thread, one at a time.
// Nothing else may touch the State: not another thread, not a signal handler. A write of theirs is
// a crash, unless its page is writable just then: since the message that runs has written it, or
// since it is written often, until a millisecond after the last message. Then it is kept.
// `static constexpr int version`, in State or behaviour: raise it when the State's meaning changes.
//
// A cast or info without its callback is ignored; a call gets -BADARG, SYS REPLACE_STATE -DENIED.
// `static constexpr peeper::MessageSpec messages[]` lists the messages there are, for people
// (message_spec.hpp).
// Containers for the State: <peeper/containers.hpp>. Only one server in a shared object.
#pragma once

#include "peeper/code_change.hpp"
#include "peeper/context.hpp"
#include "peeper/detail/dispatch.hpp"
#include "peeper/message.hpp"
#include "peeper/message_spec.hpp"
#include "peeper/result.hpp"
#include "peeper/value.hpp"

// Exports the server from this shared object. At namespace scope, outside any namespace.
#define PEEPER_SERVER(...)                                                                \
  extern "C" __attribute__((visibility("default"), used)) const ::peeper::abi::Behaviour* \
  peeper_behaviour() {                                                                    \
    return ::peeper::detail::behaviour_table<__VA_ARGS__>();                              \
  }
