// Whether a behaviour's callbacks are written as they must be. One that exists by name but cannot
// be called as documented is an error that says so: nothing is worse than a callback that is
// silently never run.
#pragma once

#include <type_traits>
#include <utility>

#include "peeper/detail/callbacks.hpp"
#include "peeper/result.hpp"

namespace peeper::detail {

// --- Does it get the State itself, not a copy? ---------------------------------------------------
// A parameter `State&` or `const State&` binds to what OnlyByReference refers to; for a parameter
// `State` both conversions would do, so there is none. Asked only of a callback that is one
// function: the body of a template could fail to compile with this type.

template <class S>
struct OnlyByReference {
  operator S&() const;
  operator S() const;
};

#define PEEPER_DETAIL_OR_CONTEXT "; a peeper::Context& may follow"

#define PEEPER_DETAIL_CHECK_CALLED(Callback, Concept, text) \
  static_assert(!Callback::exists<B> || Concept<B, S&>, "peeper: " text PEEPER_DETAIL_OR_CONTEXT)

template <class B, class S>
consteval void check_parameters() {
  PEEPER_DETAIL_CHECK_CALLED(HandleCall, TakesCall,
                             "handle_call must be public and take (const Message&, State&) or "
                             "(const Message&, From, State&)");
  PEEPER_DETAIL_CHECK_CALLED(HandleCast, TakesCast,
                             "handle_cast must be public and take (const Message&, State&)");
  PEEPER_DETAIL_CHECK_CALLED(HandleInfo, TakesInfo,
                             "handle_info must be public and take (const Message&, State&)");
  PEEPER_DETAIL_CHECK_CALLED(ReplaceState, TakesReplace,
                             "replace_state must be public and take (const Message&, State&)");
  PEEPER_DETAIL_CHECK_CALLED(HandleContinue, TakesContinue,
                             "handle_continue must be public and take (std::string_view argument, "
                             "State&)");
  PEEPER_DETAIL_CHECK_CALLED(HandleStart, TakesStart,
                             "handle_start must be public and take (State&)");
  PEEPER_DETAIL_CHECK_CALLED(Terminate, TakesTerminate,
                             "terminate must be public and take (std::string_view reason, "
                             "State&)");
  static_assert(
      !FormatStatus::exists<B> || TakesFormat<B, const S&>,
      "peeper: format_status must be public and take (const State&)" PEEPER_DETAIL_OR_CONTEXT);
}

#undef PEEPER_DETAIL_CHECK_CALLED

#define PEEPER_DETAIL_CHECK_COPIES(Callback, Concept, name)                               \
  if constexpr (Callback::is_one_function<B>) {                                           \
    static_assert(!Concept<B, S&> || Concept<B, OnlyByReference<S>>,                      \
                  "peeper: " name                                                         \
                  " gets a copy of the State, whose changes would be lost: take State&"); \
  }

template <class B, class S>
consteval void check_copies() {
  PEEPER_DETAIL_CHECK_COPIES(HandleCall, TakesCall, "handle_call")
  PEEPER_DETAIL_CHECK_COPIES(HandleCast, TakesCast, "handle_cast")
  PEEPER_DETAIL_CHECK_COPIES(HandleInfo, TakesInfo, "handle_info")
  PEEPER_DETAIL_CHECK_COPIES(ReplaceState, TakesReplace, "replace_state")
  PEEPER_DETAIL_CHECK_COPIES(HandleContinue, TakesContinue, "handle_continue")
  PEEPER_DETAIL_CHECK_COPIES(HandleStart, TakesStart, "handle_start")
  PEEPER_DETAIL_CHECK_COPIES(Terminate, TakesTerminate, "terminate")
  if constexpr (FormatStatus::is_one_function<B> && TakesFormat<B, const S&>) {
    static_assert(TakesFormat<B, OnlyByReference<S>>,
                  "peeper: format_status gets a copy of the State, which costs memory of the "
                  "heap: take const State&");
  }
}

#undef PEEPER_DETAIL_CHECK_COPIES

template <class T>
inline constexpr bool is_outcome = std::is_same_v<T, Result> || std::is_same_v<T, Stop>;

template <class B, class S>
consteval void check_init() {
  constexpr bool callable = InitWithArgs<B> || InitPlain<B>;
  static_assert(Init::exists<B>, "peeper: a server needs `State init(Args)` or `State init()`");
  static_assert(!Init::exists<B> || callable,
                "peeper: init must be `State init(Args)` or `State init()`, and "
                "public" PEEPER_DETAIL_OR_CONTEXT);
  if constexpr (callable) {
    using Returned = decltype(call_init(std::declval<B&>(), std::declval<Context&>(),
                                        std::declval<const Args&>()));
    static_assert(std::is_same_v<S, Returned> || std::is_same_v<Started<S>, Returned>,
                  "peeper: init must return the State, by value, or peeper::ok(State)");
  }
}

template <class B>
consteval void check_reads_only() {
  static_assert(!ReadsOnly::exists<B> || TellsReadsOnly<B>,
                "peeper: reads_only must be public and take (const Message&)");
  static_assert(!ReadsOnly::exists<B> || HandleCall::exists<B>,
                "peeper: reads_only is about calls, but there is no handle_call");
  if constexpr (TellsReadsOnly<B>) {
    static_assert(std::is_same_v<bool, decltype(ReadsOnly::run(std::declval<B&>(),
                                                               std::declval<const Message&>()))>,
                  "peeper: reads_only must return bool");
  }
}

template <class B, class S>
consteval void check_replace_state() {
  if constexpr (ReplaceState::is_one_function<B>) {
    static_assert(!TakesReplace<B, const S&>,
                  "peeper: replace_state changes the State: take State&, not const State&");
  }
}

template <class B, class S>
consteval void check_callbacks() {
  check_init<B, S>();
  check_parameters<B, S>();
  check_copies<B, S>();
  check_reads_only<B>();
  check_replace_state<B, S>();
  if constexpr (TakesFormat<B, const S&>) {
    using Shown = std::remove_cvref_t<decltype(call_back<FormatStatus>(
        std::declval<B&>(), std::declval<Context&>(), std::declval<const S&>()))>;
    static_assert(!std::is_void_v<Shown> && !is_outcome<Shown>,
                  "peeper: format_status must return what is to be shown, as a reply's value");
  }
}

#undef PEEPER_DETAIL_OR_CONTEXT

}  // namespace peeper::detail
