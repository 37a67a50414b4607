// Which callbacks a behaviour has, and whether they are written as they must be.
//
// A callback is found by calling it. One that exists by name but cannot be called as documented is
// an error that says so: nothing is worse than a callback that is silently never run.
#pragma once

#include <concepts>
#include <string_view>
#include <type_traits>
#include <utility>

#include "peeper/abi.hpp"
#include "peeper/message.hpp"
#include "peeper/result.hpp"

namespace peeper::detail {

// --- Is there a member of that name at all? ------------------------------------------------------
// A class that inherits the name twice finds it ambiguous; that works for overloads, templates and
// private members alike.

struct AllNames {
  int init;
  int handle_call;
  int handle_cast;
  int handle_info;
  int terminate;
};

template <class B>
struct Twice : B, AllNames {};

template <class B>
concept LacksInit = requires {
  &Twice<B>::init;
};
template <class B>
concept LacksCall = requires {
  &Twice<B>::handle_call;
};
template <class B>
concept LacksCast = requires {
  &Twice<B>::handle_cast;
};
template <class B>
concept LacksInfo = requires {
  &Twice<B>::handle_info;
};
template <class B>
concept LacksTerminate = requires {
  &Twice<B>::terminate;
};

// --- Can it be called as documented? -------------------------------------------------------------

template <class B, class S>
concept InitWithArgs = requires(B& behaviour, const Args& args) {
  behaviour.init(args);
};
template <class B, class S>
concept InitPlain = requires(B& behaviour) {
  behaviour.init();
};

template <class B, class S>
concept CallPlain = requires(B& behaviour, const Message& message, S& state) {
  behaviour.handle_call(message, state);
};
template <class B, class S>
concept CallWithFrom = requires(B& behaviour, const Message& message, const From& from, S& state) {
  behaviour.handle_call(message, from, state);
};
template <class B, class S>
concept Cast = requires(B& behaviour, const Message& message, S& state) {
  behaviour.handle_cast(message, state);
};
template <class B, class S>
concept Info = requires(B& behaviour, const Message& message, S& state) {
  behaviour.handle_info(message, state);
};
template <class B, class S>
concept Terminate = requires(B& behaviour, std::string_view reason, S& state) {
  behaviour.terminate(reason, state);
};

// --- Does it only read? ---------------------------------------------------------------------------

// It takes the State by const reference. A callback that could also be called with a State& it
// would write (an overload, a template) is not meant: only one function is asked.
template <class B, class S>
consteval std::uint64_t read_only_callbacks() {
  std::uint64_t flags = 0;
  if constexpr (requires { &B::handle_call; }) {
    if constexpr (CallPlain<B, const S> || CallWithFrom<B, const S>) flags |= abi::kCallReadsOnly;
  }
  if constexpr (requires { &B::handle_cast; }) {
    if constexpr (Cast<B, const S>) flags |= abi::kCastReadsOnly;
  }
  if constexpr (requires { &B::handle_info; }) {
    if constexpr (Info<B, const S>) flags |= abi::kInfoReadsOnly;
  }
  return flags;
}

// --- Does it get the State itself, not a copy? ---------------------------------------------------
// A parameter `State&` or `const State&` binds to what OnlyByReference refers to; for a parameter
// `State` both conversions would do, so there is none. Asked only of a callback that is one
// function: the body of a template could fail to compile with this type.

template <class S>
struct OnlyByReference {
  operator S&() const;
  operator S() const;
};

template <class B, class S>
concept CallCopies = requires {
  &B::handle_call;
  requires !CallPlain<B, OnlyByReference<S>> && !CallWithFrom<B, OnlyByReference<S>>;
};
template <class B, class S>
concept CastCopies = requires {
  &B::handle_cast;
  requires !Cast<B, OnlyByReference<S>>;
};
template <class B, class S>
concept InfoCopies = requires {
  &B::handle_info;
  requires !Info<B, OnlyByReference<S>>;
};
template <class B, class S>
concept TerminateCopies = requires {
  &B::terminate;
  requires !Terminate<B, OnlyByReference<S>>;
};

#define PEEPER_DETAIL_COPIES(name) \
  "peeper: " name " gets a copy of the State, whose changes would be lost: take State&"

template <class B, class S>
consteval void check_init() {
  static_assert(!LacksInit<B>, "peeper: a server needs `State init(Args)` or `State init()`");
  static_assert(LacksInit<B> || InitWithArgs<B, S> || InitPlain<B, S>,
                "peeper: init must be `State init(Args)` or `State init()`, and public");
  if constexpr (InitWithArgs<B, S>) {
    static_assert(std::is_same_v<S, decltype(std::declval<B&>().init(std::declval<const Args&>()))>,
                  "peeper: init must return the State, by value");
  } else if constexpr (InitPlain<B, S>) {
    static_assert(std::is_same_v<S, decltype(std::declval<B&>().init())>,
                  "peeper: init must return the State, by value");
  }
}

template <class B, class S>
consteval void check_callbacks() {
  constexpr bool call = CallPlain<B, S> || CallWithFrom<B, S>;
  static_assert(LacksCall<B> || call,
                "peeper: handle_call must be public and take (const Message&, State&) or (const "
                "Message&, From, State&)");
  static_assert(LacksCast<B> || Cast<B, S>,
                "peeper: handle_cast must be public and take (const Message&, State&)");
  static_assert(LacksInfo<B> || Info<B, S>,
                "peeper: handle_info must be public and take (const Message&, State&)");
  static_assert(LacksTerminate<B> || Terminate<B, S>,
                "peeper: terminate must be public and take (std::string_view reason, State&)");
  static_assert(!call || !CallCopies<B, S>, PEEPER_DETAIL_COPIES("handle_call"));
  static_assert(!Cast<B, S> || !CastCopies<B, S>, PEEPER_DETAIL_COPIES("handle_cast"));
  static_assert(!Info<B, S> || !InfoCopies<B, S>, PEEPER_DETAIL_COPIES("handle_info"));
  static_assert(!Terminate<B, S> || !TerminateCopies<B, S>, PEEPER_DETAIL_COPIES("terminate"));
}

#undef PEEPER_DETAIL_COPIES

}  // namespace peeper::detail
