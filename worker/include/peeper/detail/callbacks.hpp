// Which callbacks a behaviour has, found by calling them, and how each is called.
#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>
#include <utility>

#include "peeper/abi.hpp"
#include "peeper/context.hpp"
#include "peeper/message.hpp"

namespace peeper::detail {

// A class that inherits a name twice finds it ambiguous; that works for overloads, templates and
// private members alike.
struct AllNames {
  int init;
  int handle_start;
  int handle_call;
  int handle_cast;
  int handle_info;
  int handle_continue;
  int terminate;
  int code_change;
  int format_status;
  int reads_only;
  int replace_state;
  int messages;  // no callback, but found in the same way
};

template <class B>
struct Twice : B, AllNames {};

// exists: there is a member of that name, whatever it is. is_one_function: neither overloaded, nor
// a template, nor private. run: calls it; no function if it cannot be called like that.
#define PEEPER_DETAIL_CALLBACK(Callback, name)                               \
  struct Callback {                                                          \
    template <class B>                                                       \
    static constexpr bool exists = !requires {                               \
      &Twice<B>::name;                                                       \
    };                                                                       \
    template <class B>                                                       \
    static constexpr bool is_one_function = requires {                       \
      &B::name;                                                              \
    };                                                                       \
    template <class B, class... Arguments>                                   \
    static auto run(B& behaviour, Arguments&&... arguments)                  \
        -> decltype(behaviour.name(std::forward<Arguments>(arguments)...)) { \
      return behaviour.name(std::forward<Arguments>(arguments)...);          \
    }                                                                        \
  }

PEEPER_DETAIL_CALLBACK(Init, init);
PEEPER_DETAIL_CALLBACK(HandleStart, handle_start);
PEEPER_DETAIL_CALLBACK(HandleCall, handle_call);
PEEPER_DETAIL_CALLBACK(HandleCast, handle_cast);
PEEPER_DETAIL_CALLBACK(HandleInfo, handle_info);
PEEPER_DETAIL_CALLBACK(HandleContinue, handle_continue);
PEEPER_DETAIL_CALLBACK(Terminate, terminate);
PEEPER_DETAIL_CALLBACK(ChangeCode, code_change);
PEEPER_DETAIL_CALLBACK(FormatStatus, format_status);
PEEPER_DETAIL_CALLBACK(ReadsOnly, reads_only);
PEEPER_DETAIL_CALLBACK(ReplaceState, replace_state);

#undef PEEPER_DETAIL_CALLBACK

template <class Callback, class B, class... Arguments>
concept TakesExactly = requires(B& behaviour, Arguments&&... arguments) {
  Callback::run(behaviour, std::forward<Arguments>(arguments)...);
};

// Any callback may take a Context& after the arguments that are its own.
template <class Callback, class B, class... Arguments>
concept Takes =
    TakesExactly<Callback, B, Arguments..., Context&> || TakesExactly<Callback, B, Arguments...>;

template <class Callback, class B, class... Arguments>
decltype(auto) call_back(B& behaviour, Context& context, Arguments&&... arguments) {
  if constexpr (TakesExactly<Callback, B, Arguments..., Context&>) {
    return Callback::run(behaviour, std::forward<Arguments>(arguments)..., context);
  } else {
    return Callback::run(behaviour, std::forward<Arguments>(arguments)...);
  }
}

// --- The callbacks with a State ------------------------------------------------------------------
// S is State&, or what a check puts in its place.

template <class B, class S>
concept TakesCallFrom = Takes<HandleCall, B, const Message&, From, S>;
template <class B, class S>
concept TakesCall = TakesCallFrom<B, S> || Takes<HandleCall, B, const Message&, S>;
template <class B, class S>
concept TakesCast = Takes<HandleCast, B, const Message&, S>;
template <class B, class S>
concept TakesInfo = Takes<HandleInfo, B, const Message&, S>;
template <class B, class S>
concept TakesReplace = Takes<ReplaceState, B, const Message&, S>;
template <class B, class S>
concept TakesContinue = Takes<HandleContinue, B, std::string_view, S>;
template <class B, class S>
concept TakesStart = Takes<HandleStart, B, S>;
template <class B, class S>
concept TakesTerminate = Takes<Terminate, B, std::string_view, S>;
template <class B, class S>
concept TakesFormat = Takes<FormatStatus, B, S>;
template <class B, class Old>
concept TakesOld = Takes<ChangeCode, B, std::uint64_t, Old&>;

template <class B>
concept InitWithArgs = Takes<Init, B, const Args&>;
template <class B>
concept InitPlain = Takes<Init, B>;
template <class B>
concept TellsReadsOnly = TakesExactly<ReadsOnly, B, const Message&>;

// What init() returns; B has one that can be called.
template <class B>
decltype(auto) call_init(B& behaviour, Context& context, const Args& args) {
  if constexpr (InitWithArgs<B>) {
    return call_back<Init>(behaviour, context, args);
  } else {
    return call_back<Init>(behaviour, context);
  }
}

template <class B, class S>
decltype(auto) call_handle_call(B& behaviour, Context& context, const Message& message, S& state) {
  if constexpr (TakesCallFrom<B, S&>) {
    return call_back<HandleCall>(behaviour, context, message, message.from(), state);
  } else {
    return call_back<HandleCall>(behaviour, context, message, state);
  }
}

// --- Does it only read? --------------------------------------------------------------------------

// It takes the State by const reference. A callback that could also be called with a State& it
// would write (an overload, a template) is not meant: only one function is asked.
template <class B, class S>
consteval std::uint64_t read_only_callbacks() {
  std::uint64_t flags = 0;
  if constexpr (HandleCall::is_one_function<B>) {
    if constexpr (TakesCall<B, const S&>) flags |= abi::kCallReadsOnly;
  }
  if constexpr (HandleCast::is_one_function<B>) {
    if constexpr (TakesCast<B, const S&>) flags |= abi::kCastReadsOnly;
  }
  if constexpr (HandleInfo::is_one_function<B>) {
    if constexpr (TakesInfo<B, const S&>) flags |= abi::kInfoReadsOnly;
  }
  return flags;
}

}  // namespace peeper::detail
