// Hands what a callback returned to the worker.
#pragma once

#include <type_traits>

#include "peeper/abi.hpp"
#include "peeper/detail/check_callbacks.hpp"
#include "peeper/detail/next.hpp"
#include "peeper/result.hpp"

namespace peeper::detail {

// Whether the behaviour has a handle_continue.
enum class Continues : bool { kNo, kYes };

// All throw what the sink throws, and std::logic_error for a continue_with() that nobody handles.
[[nodiscard]] abi::Action deliver_reply(const Result& result, const abi::Sink& sink,
                                        Continues continues);
// For a callback that nobody waits for: what a Result replies is left out.
[[nodiscard]] abi::Action deliver_silently(const Result& result, const abi::Sink& sink,
                                           Continues continues);
void deliver_next(const Next& next, const abi::Sink& sink, Continues continues);

// Runs replace_state, which returns a Result, anything a reply can be made of, or nothing.
template <class Callback>
abi::Action run_replace(const abi::Sink& sink, Continues continues, Callback&& callback) {
  using Returned = decltype(callback());
  if constexpr (std::is_void_v<Returned>) {
    callback();
    return abi::Action::kNoReply;
  } else if constexpr (is_outcome<std::remove_cvref_t<Returned>>) {
    return deliver_reply(callback(), sink, continues);
  } else {
    return deliver_reply(reply(callback()), sink, continues);
  }
}

// Runs a callback that returns a Result or nothing.
template <class Callback>
abi::Action run_silently(const abi::Sink& sink, Continues continues, Callback&& callback) {
  using Returned = decltype(callback());
  static_assert(std::is_void_v<Returned> || is_outcome<Returned>,
                "peeper: handle_cast, handle_info, handle_continue and handle_start return a "
                "Result or void");
  if constexpr (is_outcome<Returned>) {
    return deliver_silently(callback(), sink, continues);
  } else {
    callback();
    return abi::Action::kNoReply;
  }
}

// Runs handle_call, which returns a Result or anything a reply can be made of.
template <class Callback>
abi::Action run_call(const abi::Sink& sink, Continues continues, Callback&& callback) {
  using Returned = decltype(callback());
  static_assert(!std::is_void_v<Returned>,
                "peeper: handle_call must return the reply, or a Result such as noreply()");
  if constexpr (is_outcome<std::remove_cvref_t<Returned>>) {
    return deliver_reply(callback(), sink, continues);
  } else if constexpr (!std::is_void_v<Returned>) {
    return deliver_reply(reply(callback()), sink, continues);
  }
}

}  // namespace peeper::detail
