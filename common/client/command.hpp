// A command for the daemon that can be sent, and sent again: its words are encoded once.
//
//   Command::call("counter", "add", 5)
//   Command::cast("log", "line", text).timeout(200ms).token(token)
//   Command::words({"SYS", "GET_STATE", "counter"}, Repeat::kSafe)
//
// Arguments are bytes: texts as they are, numbers in decimal.
#pragma once

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "common/resp/writer.hpp"

namespace peeper {

// What a command that no server's message is may be after a lost connection: sent again, or not.
enum class Repeat { kSafe, kNever };

class Command {
 public:
  using Milliseconds = std::chrono::milliseconds;

  template <class... Arguments>
  static Command call(std::string_view server, std::string_view message,
                      const Arguments&... arguments) {
    return Command("CALL", server, message, arguments...);
  }
  template <class... Arguments>
  static Command cast(std::string_view server, std::string_view message,
                      const Arguments&... arguments) {
    return Command("CAST", server, message, arguments...);
  }
  template <class... Arguments>
  static Command send(std::string_view server, std::string_view message,
                      const Arguments&... arguments) {
    return Command("SEND", server, message, arguments...);
  }
  // Any other command, as it is: it takes neither token nor TIMEOUT.
  static Command words(std::span<const std::string_view> words, Repeat repeat);
  static Command words(std::initializer_list<std::string_view> words, Repeat repeat);

  // How long the server may take: TIMEOUT of a call; of a cast, how long it waits for room in the
  // mailbox. Not set: what the client's options say.
  [[nodiscard]] Command timeout(Milliseconds time) && {
    timeout_ = time;
    return std::move(*this);
  }
  // How long the client waits in all, other tries included. Not set: the timeout, and the options'
  // grace. Shorter than the timeout is allowed; peeperd's own TIMEOUT then comes too late.
  [[nodiscard]] Command patience(Milliseconds time) && {
    patience_ = time;
    return std::move(*this);
  }
  // 1 to limits::kTokenBytes bytes, any. Two messages with one token are one message to the server,
  // whatever else stands in them. Not set: the client makes one.
  [[nodiscard]] Command token(std::string token) && {
    token_ = std::move(token);
    return std::move(*this);
  }
  void set_token(std::string token) { token_ = std::move(token); }
  template <class Argument>
  void add_argument(const Argument& argument) {
    append_argument(argument);
  }

  [[nodiscard]] bool is_message() const { return !verb_.empty(); }
  [[nodiscard]] const std::string& token() const& { return token_; }
  [[nodiscard]] std::optional<Milliseconds> timeout() const& { return timeout_; }
  [[nodiscard]] std::optional<Milliseconds> patience() const& { return patience_; }
  // Sending it twice has the effect of sending it once.
  [[nodiscard]] bool is_repeatable() const {
    return is_message() ? !token_.empty() : repeat_ == Repeat::kSafe;
  }

  // About as many as append_to() appends.
  [[nodiscard]] std::size_t bytes() const { return words_.size() + token_.size() + 64; }
  // Appends it as RESP. `timeout` is ignored where is_message() is false.
  void append_to(std::string& out, Milliseconds timeout) const;

 private:
  template <class... Arguments>
  Command(std::string_view verb, std::string_view server, std::string_view message,
          const Arguments&... arguments)
      : verb_(verb) {
    append_text(server);
    append_text(message);
    (append_argument(arguments), ...);
  }
  explicit Command(Repeat repeat) : repeat_(repeat) {}

  void append_text(std::string_view text) {
    resp::append_bulk(words_, text);
    ++word_count_;
  }
  template <class Argument>
  void append_argument(const Argument& argument) {
    if constexpr (std::convertible_to<const Argument&, std::string_view>) {
      append_text(argument);
    } else {
      static_assert(std::is_arithmetic_v<Argument> && !std::same_as<Argument, bool> &&
                        !std::same_as<Argument, char>,
                    "an argument is a text or a number: write \"yes\", std::string(1, c), …");
      char digits[64];
      const char* end = std::to_chars(digits, digits + sizeof digits, argument).ptr;
      append_text({digits, static_cast<std::size_t>(end - digits)});
    }
  }

  std::string_view verb_;  // a literal; empty: the words are all of it
  Repeat repeat_ = Repeat::kNever;
  std::optional<Milliseconds> timeout_;
  std::optional<Milliseconds> patience_;
  std::string token_;
  std::string words_;  // as bulk strings
  std::size_t word_count_ = 0;
};

}  // namespace peeper
