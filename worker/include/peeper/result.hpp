// What a callback returns: answer, stay silent, or stop; and what init returns beside a State.
//
//   return peeper::reply(state.count).timeout(5s);        {reply, Count, State, 5000}
//   return peeper::noreply().hibernate();                 {noreply, State, hibernate}
//   return peeper::noreply().continue_with("flush");      {noreply, State, {continue, flush}}
//   return peeper::stop("normal", "bye");                 {stop, normal, bye, State}
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "peeper/abi.hpp"
#include "peeper/detail/next.hpp"
#include "peeper/value.hpp"

namespace peeper {

// Made by stop(). Nothing comes after it, so there is nothing more to say.
class Stop {
 public:
  explicit Stop(std::string_view reason, std::optional<Value> reply = std::nullopt)
      : reason_(reason), reply_(std::move(reply)) {}

 private:
  friend class Result;

  std::string reason_;  // those in use are short enough to lie in the string itself
  std::optional<Value> reply_;
};

// Made by reply(), noreply() and stop(), or from a Value. The message's changes of the State are
// committed with it, whatever it says; to undo them, throw.
class Result : public detail::SaysNext<Result> {
 public:
  // The same as reply(value): `return state.count;` answers with the count.
  Result(Value value) : action_(abi::Action::kReply), reply_(std::move(value)) {}
  template <detail::NotA<Result, Value, Stop> T>
  Result(const T& value) : Result(Value(value)) {}

  Result(Stop stop)
      : action_(stop.reply_ ? abi::Action::kReplyAndStop : abi::Action::kStop),
        reason_(std::move(stop.reason_)) {
    if (stop.reply_) reply_ = std::move(*stop.reply_);
  }

  [[nodiscard]] abi::Action action() const noexcept { return action_; }
  [[nodiscard]] const Value& value() const noexcept { return reply_; }
  [[nodiscard]] std::string_view reason() const noexcept { return reason_; }

 private:
  friend Result noreply();

  struct WithoutReply {};
  explicit Result(WithoutReply) : action_(abi::Action::kNoReply) {}

  abi::Action action_;
  Value reply_;
  std::string reason_;
};

[[nodiscard]] inline Result reply(Value value) { return Result(std::move(value)); }

// A cast or info never has an answer; a call stays without one for now: keep its From in the State
// and answer it by Context::reply(), from any later message.
[[nodiscard]] inline Result noreply() { return Result(Result::WithoutReply{}); }

// Ends the server after this message: terminate(reason) runs. "normal" and "shutdown" are the
// reasons of an intended end; any other counts as a failure.
[[nodiscard]] inline Stop stop(std::string_view reason) { return Stop(reason); }
[[nodiscard]] inline Stop stop(std::string_view reason, Value reply) {
  return Stop(reason, std::move(reply));
}

// What init may return instead of the State itself.
template <class State>
class Started : public detail::SaysNext<Started<State>> {
 public:
  explicit Started(State state) : state_(std::move(state)) {}

  [[nodiscard]] State&& take_state() noexcept { return std::move(state_); }

 private:
  State state_;
};

//   return peeper::ok(State{.count = 5}).continue_with("load");
// State is moved into its place: one that cannot be moved is returned without ok().
template <class State>
[[nodiscard]] Started<State> ok(State state) {
  static_assert(std::is_move_constructible_v<State>,
                "peeper: ok() moves the State; one that cannot be moved is returned as it is");
  return Started<State>(std::move(state));
}

}  // namespace peeper
