// What a callback returns: answer, stay silent, or stop.
#pragma once

#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "peeper/abi.hpp"
#include "peeper/value.hpp"

namespace peeper {

// Made by reply(), noreply() and stop(), or from a Value. The message's changes of the State are
// committed with it, whatever it says; to undo them, throw.
class Result {
 public:
  // The same as reply(value): `return state.count;` answers with the count.
  Result(Value value) : action_(abi::Action::kReply), reply_(std::move(value)) {}
  template <detail::NotA<Result, Value> T>
  Result(const T& value) : Result(Value(value)) {}

  [[nodiscard]] abi::Action action() const noexcept { return action_; }
  [[nodiscard]] const Value& value() const noexcept { return reply_; }
  [[nodiscard]] std::string_view reason() const noexcept { return reason_; }

 private:
  friend Result noreply();
  friend Result stop(std::string_view reason);
  friend Result stop(std::string_view reason, Value reply);

  struct WithoutReply {};
  Result(WithoutReply, abi::Action action) : action_(action) {}

  abi::Action action_;
  Value reply_;
  std::string reason_;  // those in use are short enough to lie in the string itself
};

[[nodiscard]] inline Result reply(Value value) { return Result(std::move(value)); }

// A call stays without an answer (for now), a cast or info never has one.
[[nodiscard]] inline Result noreply() {
  return Result(Result::WithoutReply{}, abi::Action::kNoReply);
}

// Ends the server after this message: terminate(reason) runs. "normal" and "shutdown" are the
// reasons of an intended end; any other counts as a failure.
[[nodiscard]] inline Result stop(std::string_view reason) {
  Result result(Result::WithoutReply{}, abi::Action::kStop);
  result.reason_ = reason;
  return result;
}

[[nodiscard]] inline Result stop(std::string_view reason, Value reply) {
  Result result(Result::WithoutReply{}, abi::Action::kReplyAndStop);
  result.reason_ = reason;
  result.reply_ = std::move(reply);
  return result;
}

}  // namespace peeper
