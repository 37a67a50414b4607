// Every callback and every return value of the contract, one message each. What happens is written
// into the State's own log, so that a test, or a person with `peeper call full log`, sees what was
// kept of it and what a crash undid.
//
// The messages are in full_messages.hpp. `then_segv CALL [ARG ...]` does the same and then crashes,
// before anything of it is committed. A continue's argument: "a,b" continues with "b";
// "timeout=MS", "hibernate=", "stop=REASON" are as a cast's `then`. While the dictionary has a
// `trap`, answers crash that are no errors. peeper replace-state: COUNT [WHAT [ARGUMENT]], WHAT as a
// cast's `then`, or refuse, throw, segv, hang.
#include <chrono>
#include <csignal>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>

#include "full_messages.hpp"
#include "peeper/containers.hpp"
#include "peeper/server.hpp"

namespace {

using namespace std::string_view_literals;
using peeper::Context;
using peeper::From;
using peeper::Message;
using peeper::Result;
using peeper::Value;
using std::chrono::milliseconds;

// Messages sent to a peer at once, by `stream`; calls that wait for their answers, by `question`.
constexpr std::int64_t kBurst = 20;

// Nothing but a peer that is gone for good is later than this.
constexpr std::chrono::minutes kQuestionTimeout{10};

struct Full {
  // What this server once was: a count, before States said their version.
  struct Former {
    static constexpr int version = 0;
    std::int64_t count = 0;
  };
  using OldStates = peeper::types<Former>;

  static constexpr auto& messages = full::kMessages;

  struct State {
    static constexpr int version = 1;

    std::int64_t count = 0;
    peeper::string secret = peeper::string("swordfish");
    peeper::vector<peeper::string> log;
    peeper::deque<From> waiting;  // calls to be answered by `answer`

    // Of `stream`: numbers 1, 2, 3 … sent to a peer, and received from one.
    peeper::string peer;
    std::int64_t to_send = 0;
    std::int64_t sent = 0;
    std::int64_t received = 0;
    std::int64_t out_of_order = 0;
    // Of `question`: the same numbers as calls, and their answers. `sent` counts these too.
    std::int64_t to_ask = 0;
    std::int64_t answered = 0;
    std::int64_t wrong_answers = 0;
  };

  peeper::Started<State> init(const peeper::Args& args) {
    State state;
    state.count = args.integer();
    return peeper::ok(std::move(state)).continue_with("init");
  }

  static State code_change(std::uint64_t old_version, Former& old) {
    State state;
    state.count = old.count;
    note(state, "code_change from version " + std::to_string(old_version));
    return state;
  }

  void handle_start(State& state, Context& context) {
    note(state, "start " + std::to_string(context.incarnation()));
  }

  Result handle_call(const Message& message, const From& from, State& state, Context& context) {
    if (message.name() == "then_segv") {
      // The rest of the message is what to do first.
      run(Call{message.arg(0), message, 1}, from, state, context);
      std::raise(SIGSEGV);
    }
    return run(Call{message.name(), message, 0}, from, state, context);
  }

  Result handle_cast(const Message& message, State& state) {
    const std::string_view name = message.name();
    if (name == "number") return receive(message.integer(0).value_or(-1), state);
    note(state, "cast " + text_of(message));
    if (name == "inc") ++state.count;
    if (name == "stop") return peeper::stop(message.arg_or(0, "normal"));
    if (name == "then") return then(message.arg_or(0, ""), message.arg_or(1, ""));
    return peeper::noreply();
  }

  Result handle_info(const Message& message, State& state, Context& context) {
    if (message.name() == "pump") return pump(state, context);
    if (const auto answer = message.answer()) {
      if (state.answered < state.to_ask)
        return take_answer(answer->text().value_or(""), state, context);
      std::string text = "answer ";
      if (answer->is_error()) text += "error " + std::string(answer->error());
      if (const auto number = answer->integer()) text += std::to_string(*number);
      note(state, text);
      if (context.dictionary().get("trap") && !answer->is_error()) std::raise(SIGSEGV);
      return peeper::noreply();
    }
    note(state, "info " + text_of(message));
    if (message.name() == "boom") throw std::runtime_error("boom in an info");
    if (message.name() == "inc") ++state.count;
    if (message.name() == "then") return then(message.arg_or(0, ""), message.arg_or(1, ""));
    return peeper::noreply();
  }

  Result replace_state(const Message& values, State& state, Context& context) {
    note(state, text_of(values));
    const auto count = values.integer(0);
    if (!count) return peeper::error("BADARG the count is an integer");
    state.count = *count;
    context.publish("replaced", *count);
    const std::string_view what = values.arg_or(1, "");
    if (what == "segv") std::raise(SIGSEGV);
    if (what == "throw") throw std::runtime_error(std::string(values.arg_or(2, "")));
    while (what == "hang") std::this_thread::sleep_for(std::chrono::hours{1});
    if (what == "refuse") return peeper::error(values.arg_or(2, "NO"));
    if (!what.empty()) return then(what, values.arg_or(2, ""));
    return peeper::noreply();
  }

  // "a,b,c": continues with "b,c", then with "c".
  Result handle_continue(std::string_view argument, State& state) {
    note(state, "continue " + std::string(argument));
    if (argument == "segv") std::raise(SIGSEGV);
    if (const auto comma = argument.find(','); comma != argument.npos)
      return then("continue", argument.substr(comma + 1));
    if (const auto equals = argument.find('='); equals != argument.npos)
      return then(argument.substr(0, equals), argument.substr(equals + 1));
    return peeper::noreply();
  }

  void terminate(std::string_view reason, State& state) {
    note(state, "terminate " + std::string(reason));
  }

  // Everything but the secret.
  Value format_status(const State& state) {
    return Value::map({{"count", state.count},
                       {"log", state.log},
                       {"secret", "(hidden)"},
                       {"received", state.received}});
  }

  static bool reads_only(const Message& message) {
    const std::string_view name = message.name();
    return name == "get" || name == "log" || name == "received";
  }

 private:
  // A call by its name, with the arguments behind it.
  struct Call {
    std::string_view name;
    const Message& message;
    std::size_t skipped;

    [[nodiscard]] std::string_view arg(std::size_t index) const {
      return message.arg_or(index + skipped, "");
    }
    [[nodiscard]] milliseconds duration(std::size_t index) const {
      return milliseconds{message.integer(index + skipped).value_or(0)};
    }
  };

  // What a callback that answers nobody may return.
  static Result then(std::string_view what, std::string_view argument) {
    if (what == "continue") return peeper::noreply().continue_with(argument);
    if (what == "hibernate") return peeper::noreply().hibernate();
    if (what == "stop") return peeper::stop(argument);
    return peeper::noreply().timeout(milliseconds{std::stoll(std::string(argument))});
  }

  static Result run(const Call& call, const From& from, State& state, Context& context) {
    if (call.name == "get") return state.count;
    if (call.name == "inc") return ++state.count;
    if (call.name == "log") return Value(state.log);
    if (call.name == "forget") {
      state.log.clear();
      state.waiting.clear();
      state.count = 0;
      return peeper::status("OK");
    }
    if (call.name == "throw") throw std::runtime_error(std::string(call.arg(0)));
    if (call.name.starts_with("reply_")) return reply_and(call.name.substr(6), call, state);
    if (call.name.starts_with("later")) {
      state.waiting.push_back(from);
      if (call.name == "later_twice") state.waiting.push_back(from);
      return leave_open(call.name.substr(5), call);
    }
    if (call.name == "answer") return answer(call, state, context);
    if (call.name == "answer_now") return answer_now(call, from, state, context);
    if (call.name == "stop") return peeper::stop(call.arg(0));
    if (call.name == "stop_reply") return peeper::stop(call.arg(0), call.arg(1));
    if (call.name == "stream") {
      state.peer = call.arg(0);
      state.to_send = call.message.integer(1).value_or(0);
      context.send(context.server(), "pump");
      return peeper::status("OK");
    }
    if (call.name == "question") {
      state.peer = call.arg(0);
      state.to_ask = call.message.integer(1).value_or(0);
      for (std::int64_t i = 0; i < kBurst; ++i) ask_next(state, context);
      return peeper::status("OK");
    }
    if (call.name == "number") {
      const std::int64_t number = call.message.integer(call.skipped).value_or(-1);
      (void)receive(number, state);
      return peeper::status(answer_to(number));
    }
    if (call.name == "answered") return Value::array({state.answered, state.wrong_answers});
    if (call.name == "received") return Value::array({state.received, state.out_of_order});
    return use_context(call, context);
  }

  static Result reply_and(std::string_view what, const Call& call, State& state) {
    ++state.count;
    if (what == "timeout") return peeper::reply(state.count).timeout(call.duration(0));
    if (what == "hibernate") return peeper::reply(state.count).hibernate();
    return peeper::reply(state.count).continue_with(call.arg(0));
  }

  static Result leave_open(std::string_view what, const Call& call) {
    if (what == "_timeout") return peeper::noreply().timeout(call.duration(0));
    if (what == "_hibernate") return peeper::noreply().hibernate();
    if (what == "_continue") return peeper::noreply().continue_with(call.arg(0));
    return peeper::noreply();
  }

  // To who has waited longest: 1 if they are still there, as far as anybody knows.
  static Result answer(const Call& call, State& state, Context& context) {
    if (state.waiting.empty()) return peeper::error("NOBODY waits");
    const From from = state.waiting.front();
    state.waiting.pop_front();
    return context.reply(from, call.arg(0));
  }

  // To its own caller before it returns; and once more, if there is a second value.
  static Result answer_now(const Call& call, const From& from, State& state, Context& context) {
    context.reply(from, call.arg(0));
    if (!call.arg(1).empty())
      note(state, context.reply(from, call.arg(1)) ? "second true" : "second false");
    return peeper::noreply();
  }

  static Result use_context(const Call& call, Context& context) {
    const auto dictionary = context.dictionary();
    if (call.name == "after")
      return static_cast<std::int64_t>(
          context.send_after(call.duration(0), call.arg(1), call.arg(2)).number);
    if (call.name == "cancel") {
      const auto left = context.cancel(
          {static_cast<std::uint64_t>(call.message.integer(call.skipped).value_or(0))});
      if (!left) return Value(nullptr);
      return std::chrono::duration_cast<milliseconds>(*left).count();
    }
    if (call.name == "tell") {
      context.cast(call.arg(0), call.arg(1), call.arg(2));
    } else if (call.name == "inform") {
      context.send(call.arg(0), call.arg(1), call.arg(2));
    } else if (call.name == "ask") {
      context.call(call.arg(0), call.arg(1), call.arg(2));
    } else if (call.name == "ask_within") {
      context.call(call.duration(0), call.arg(1), call.arg(2), call.arg(3));
    } else if (call.name == "publish") {
      context.publish(call.arg(0), call.arg(1));
    } else if (call.name == "put") {
      dictionary.put(call.arg(0), call.arg(1));
    } else if (call.name == "fetch") {
      const auto value = dictionary.get(call.arg(0));
      return value ? Value(*value) : Value(nullptr);
    } else if (call.name == "drop") {
      return dictionary.erase(call.arg(0));
    } else if (call.name == "entries") {
      return static_cast<std::int64_t>(dictionary.size());
    } else {
      return peeper::error("BADARG no such call: " + std::string(call.name));
    }
    return peeper::status("OK");
  }

  // A burst to the peer, then the next one: as a message to oneself, so that others have their turn.
  static Result pump(State& state, Context& context) {
    for (std::int64_t i = 0; i < kBurst && state.sent < state.to_send; ++i)
      context.cast(std::string_view{state.peer}, "number", ++state.sent);
    if (state.sent < state.to_send) context.send(context.server(), "pump");
    return peeper::noreply();
  }

  static void ask_next(State& state, Context& context) {
    if (state.sent == state.to_ask) return;
    context.call(kQuestionTimeout, std::string_view{state.peer}, "number", ++state.sent);
  }

  static Result take_answer(std::string_view text, State& state, Context& context) {
    if (text != answer_to(++state.answered)) ++state.wrong_answers;
    ask_next(state, context);
    return peeper::noreply();
  }
  static std::string answer_to(std::int64_t number) {
    return "answer to " + std::to_string(number);
  }

  static Result receive(std::int64_t number, State& state) {
    if (number != state.received + 1) ++state.out_of_order;
    state.received = number;
    return peeper::noreply();
  }

  static std::string text_of(const Message& message) {
    std::string text(message.name());
    for (const std::string_view argument : message)
      if (!argument.empty()) text += " " + std::string(argument);
    return text;
  }

  static void note(State& state, std::string_view line) {
    state.log.emplace_back(line.data(), line.size());
  }
};

}  // namespace

PEEPER_SERVER(Full)
