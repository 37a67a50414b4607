// A server that counts: the model to copy. Its crashes, for trying out what peeper does, are in
// crashes.hpp.
//
//   peeper call counter state          0
//   peeper call counter inc            1
//   peeper call counter add 5          6
//   peeper call counter inc_then_segv  (error) CRASHED ...; the count is still 6
//   peeper replace-state counter 40    OK; the count is 40
#include <peeper/server.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "crashes.hpp"

namespace {

struct Counter {
  // What survives every crash.
  struct State {
    std::int64_t count = 0;
  };

  // For `peeper messages counter`, and what completes words in `peeper shell`.
  static constexpr peeper::MessageSpec messages[] = {
      {peeper::Kind::call, "state", "", "replies the count"},
      {peeper::Kind::call, "inc", "", "adds 1, and replies the sum"},
      {peeper::Kind::call, "add", "NUMBER", "adds it, and replies the sum"},
      {peeper::Kind::call, "inc_then_segv", "", "adds 1, then crashes: nothing was added"},
      {peeper::Kind::call, "segv", "", "crashes; crashes.hpp has more ways to die"},
      {peeper::Kind::cast, "inc", "", "adds 1"},
      {peeper::Kind::cast, "add", "NUMBER", "adds it"},
      {peeper::Kind::info, "inc", "", "adds 1"},
      {peeper::Kind::info, "add", "NUMBER", "adds it"},
  };

  // The first start only: `state = "5"` in the configuration begins at 5.
  State init(const peeper::Args& args) { return {.count = args.integer(0)}; }

  peeper::Result handle_call(const peeper::Message& message, State& state) {
    const std::string_view name = message.name();
    if (name == "state") return state.count;
    if (name == "inc") return add(1, state);
    if (name == "add") {
      if (const auto number = message.integer(0)) return add(*number, state);
      return peeper::error("BADARG add needs an integer, got '" +
                           std::string(message.arg_or(0, "")) + "'");
    }
    if (const auto crash = crashes::find(name)) {
      crash(message);
      return peeper::status("OK");
    }
    if (name.starts_with("inc_then_")) {
      if (const auto crash = crashes::find(name.substr(9))) {
        state.count += 1;  // undone when the next line crashes
        crash(message);
        return peeper::status("OK");
      }
    }
    return peeper::error("BADARG counter knows no message '" + std::string(name) + "'");
  }

  // What an operator gives for a count.
  peeper::Result replace_state(const peeper::Message& values, State& state) {
    const auto number = values.integer(0);
    if (!number || values.size() != 1)
      return peeper::error("BADARG counter's state is one integer");
    state.count = *number;
    return peeper::status("OK");
  }

  // Casts and infos do the same; nobody waits for the answer.
  void handle_cast(const peeper::Message& message, State& state) {
    (void)handle_call(message, state);
  }
  void handle_info(const peeper::Message& message, State& state) {
    (void)handle_call(message, state);
  }

 private:
  static peeper::Result add(std::int64_t number, State& state) {
    std::int64_t sum = 0;
    if (__builtin_add_overflow(state.count, number, &sum)) {
      return peeper::error("BADARG " + std::to_string(state.count) + " + " +
                           std::to_string(number) + " is no 64-bit integer");
    }
    return state.count = sum;
  }
};

}  // namespace

PEEPER_SERVER(Counter)
