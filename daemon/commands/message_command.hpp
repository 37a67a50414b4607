// What CALL, CAST and SEND have in common, read from their arguments: options, then server, message
// and its arguments. Pure; refers to the arguments it was read from.
#pragma once

#include <charconv>
#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/limits.hpp"
#include "common/segment/layout.hpp"
#include "daemon/values/command_text.hpp"

namespace peeper::daemon {

struct MessageCommand {
  using Arguments = std::span<const std::string_view>;

  std::chrono::milliseconds timeout = limits::kCallTimeout;
  std::string_view server;
  std::uint32_t flags = 0;  // as in MessageHead
  std::string error;        // a RESP3 error; empty if well-formed

  // `arguments`: from the command's name on.
  MessageCommand(Arguments arguments, std::string_view usage_text) {
    arguments = arguments.subspan(1);
    std::string_view token;
    while (arguments.size() >= 2 && error.empty()) {
      if (same_word(arguments[0], "TIMEOUT")) {
        read_timeout(arguments[1]);
      } else if (same_word(arguments[0], "ID")) {
        token = arguments[1];
        if (token.empty() || token.size() > limits::kTokenBytes)
          error = error_value("BADARG ID takes a token of 1 to " +
                              std::to_string(limits::kTokenBytes) + " bytes, not of " +
                              std::to_string(token.size()));
      } else {
        break;
      }
      arguments = arguments.subspan(2);
    }
    if (!error.empty()) return;
    if (arguments.size() < 2) {
      error = usage(usage_text);
      return;
    }
    server = arguments[0];
    strings_ = arguments.subspan(1);
    if (token.empty()) return;
    with_token_.assign(strings_.begin(), strings_.end());
    with_token_.push_back(token);
    flags = segment::kHasToken;
  }

  // The message's name, its arguments, and the token if there is one.
  [[nodiscard]] Arguments strings() const {
    return with_token_.empty() ? strings_ : Arguments{with_token_};
  }

 private:
  void read_timeout(std::string_view text) {
    std::int64_t ms = 0;
    const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), ms);
    if (bad != std::errc{} || end != text.data() + text.size() || ms < 1 ||
        ms > limits::kMostCallTimeout.count()) {
      error = error_value("BADARG TIMEOUT takes milliseconds from 1 to " +
                          std::to_string(limits::kMostCallTimeout.count()) + ", not " +
                          quoted(text));
    } else {
      timeout = std::chrono::milliseconds{ms};
    }
  }

  Arguments strings_;
  std::vector<std::string_view> with_token_;
};

}  // namespace peeper::daemon
