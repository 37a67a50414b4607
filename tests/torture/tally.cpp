// What the torture counts with: series of numbers 1, 2, 3 … that must each come once and in order.
// Whatever is lost, comes twice or too early is a fault, and the first one is kept.
//
// Calls and casts: count SERIES N [US], which takes so many microseconds. Calls: last SERIES;
// fault; relay SERVER SERIES N, a cast of `count` to the server; ask SERVER SERIES N, a call of it,
// whose answer is counted here; later SERIES N US, a timer that counts here.
#include <peeper/containers.hpp>
#include <peeper/server.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace {

using peeper::Context;
using peeper::Message;
using peeper::Result;

// The server that is asked may be stopped, killed and down for a while; it isn't gone.
constexpr std::chrono::minutes kAskTimeout{10};
constexpr std::chrono::milliseconds kLater{20};

struct Tally {
  struct State {
    peeper::map<peeper::string, std::int64_t> last;
    peeper::string fault;
  };

  static State init() { return {}; }

  static Result handle_call(const Message& message, State& state, Context& context) {
    const std::string_view name = message.name();
    if (name == "count") return count(state, message);
    if (name == "last") return last(state, message.arg(0));
    if (name == "fault") return std::string_view(state.fault);
    if (name == "relay") {
      context.cast(message.arg(0), "count", message.arg(1), message.arg(2));
    } else if (name == "ask") {
      context.call(kAskTimeout, message.arg(0), "count", message.arg(1), message.arg(2));
    } else if (name == "later") {
      context.send_after(kLater, "count", message.arg(0), message.arg(1), message.arg(2));
    } else {
      return peeper::error("BADARG no such call: " + std::string(name));
    }
    return peeper::status("OK");
  }

  static void handle_cast(const Message& message, State& state) {
    (void)count(state, message);
  }

  static void handle_info(const Message& message, State& state) {
    const auto answer = message.answer();
    if (!answer) {
      (void)count(state, message);
      return;
    }
    const std::string text(answer->is_error() ? answer->error() : answer->text().value_or(""));
    const auto blank = text.find(' ');
    const auto end = blank == text.npos ? text.size() : blank;
    if (answer->is_error() || blank == text.npos)
      complain(state, "an answer of '" + text + "'");
    else
      (void)count(state, text.substr(0, end) + "'s answer",
                  std::strtoll(text.c_str() + end, nullptr, 10));
  }

  static bool reads_only(const Message& message) {
    return message.name() == "last" || message.name() == "fault";
  }

 private:
  static std::string count(State& state, const Message& message) {
    std::string text = count(state, message.arg(0), message.integer(1).value_or(-1));
    const auto until = std::chrono::steady_clock::now() +
                       std::chrono::microseconds{message.integer(2).value_or(0)};
    while (std::chrono::steady_clock::now() < until) {
    }
    return text;
  }

  static std::int64_t last(const State& state, std::string_view series) {
    const auto found = state.last.find(peeper::string(series));
    return found == state.last.end() ? 0 : found->second;
  }

  // "SERIES N": the answer says what was asked.
  static std::string count(State& state, std::string_view series, std::int64_t number) {
    std::int64_t& last = state.last[peeper::string(series)];
    const std::string text = std::string(series) + " " + std::to_string(number);
    if (number != last + 1) complain(state, text + " after " + std::to_string(last));
    last = number;
    return text;
  }

  static void complain(State& state, const std::string& what) {
    if (state.fault.empty()) state.fault = std::string_view(what);
  }
};

}  // namespace

PEEPER_SERVER(Tally)
