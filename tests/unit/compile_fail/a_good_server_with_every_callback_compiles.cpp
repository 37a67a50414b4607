// The canary for callbacks, as a_good_server_compiles.cpp is for States.
#include <peeper/containers.hpp>
#include <peeper/server.hpp>

#include <chrono>
#include <utility>

namespace {

using namespace std::chrono_literals;

struct V0 {
  static constexpr int version = 0;
  int count;
};
// As V1 was, with another member: told from it by its size.
struct V1 {
  static constexpr int version = 0;
  int count;
  peeper::string name;
};

struct Good {
  static constexpr int version = 1;
  struct State {
    std::int64_t count = 0;
    peeper::string name{};
    peeper::Timer timer{};
    peeper::Reference asked{};
    peeper::unordered_map<peeper::Reference, peeper::From> waiting{};
  };
  static constexpr peeper::MessageSpec messages[] = {
      {peeper::Kind::call, "no", "[ANY]", "says nothing"},
      {.name = "bye"},
      {peeper::Kind::cast, "no"},
      {.kind = peeper::Kind::info, .name = "tick", .text = "what \u201cticks\u201d"},
  };
  using OldStates = peeper::types<V0, V1>;

  auto init(peeper::Args args) { return peeper::ok(State{.count = args.integer()}).timeout(5s); }
  void handle_start(State&, peeper::Context& context) { context.publish("up", context.server()); }
  peeper::Result handle_call(const peeper::Message& message, peeper::From from, State& state,
                             peeper::Context& context) {
    if (message.empty()) return peeper::stop("normal", "bye");
    if (message.name() == "no") return message.size() > 1 ? peeper::stop("x") : peeper::noreply();
    state.waiting[context.call(1s, "other", message.name(), state.name, 1, 2.5, true)] = from;
    return peeper::noreply().timeout(1min);
  }
  void handle_cast(peeper::Message, State& state, peeper::Context& context) {
    if (const auto left = context.cancel(state.timer)) context.send("self", "left", left->count());
    state.timer = context.send_after(250ms, "tick");
  }
  peeper::Result handle_info(const peeper::Message& message, State& state,
                             const peeper::Context& context) {
    peeper::Result result = peeper::noreply();
    if (const auto answer = message.answer()) {
      context.reply(state.waiting[answer->reference()], answer->integer());
      result.hibernate();
    } else {
      result.continue_with("more").timeout(2h);
    }
    return result;
  }
  peeper::Result replace_state(const peeper::Message& message, State& state, peeper::Context&) {
    if (message.size() != 1) return peeper::error("BADARG one value");
    state = {.count = message.integer(0).value_or(0)};
    return peeper::noreply().continue_with("more");
  }
  peeper::Result handle_continue(std::string_view argument, State&, peeper::Context& context) {
    context.dictionary().put("last", argument);
    for (const auto& [key, value] : context.dictionary()) context.cast("log", key, value);
    return peeper::noreply().continue_with(argument);
  }
  void terminate(std::string_view, State&, peeper::Context&) {}
  State code_change(std::uint64_t, const V0& old) { return {.count = old.count}; }
  State code_change(std::uint64_t, V1& old, peeper::Context&) {
    return {.count = old.count, .name = std::move(old.name)};
  }
  static auto format_status(const State& state) { return state.count; }
  static bool reads_only(const peeper::Message& message) { return message.name() == "look"; }
};

}  // namespace

PEEPER_SERVER(Good);
