// What the clients have in common: what a failure means, in words and for the next try, and how the
// time of a command is divided. Pure.
#pragma once

#include <chrono>
#include <string_view>

#include "common/client/command.hpp"
#include "common/client/options.hpp"
#include "common/resp/reply.hpp"
#include "common/result.hpp"

namespace peeper::client_detail {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;

// The connection is gone or peeperd isn't there now: worth another try.
[[nodiscard]] bool is_loss(const Failure& failure);

enum class Carried { kNot, kMaybe };  // out, the command

// With a hint, where there is one.
[[nodiscard]] Failure cannot_connect(std::string_view socket, int error);
[[nodiscard]] Failure connection_closed(int error);
// The last word on a command.
[[nodiscard]] Failure no_answer(Milliseconds waited, Carried carried);
[[nodiscard]] Failure gave_up(Failure last, Milliseconds waited, Carried carried);
[[nodiscard]] Failure lost_without_token(Failure last);
[[nodiscard]] Failure too_many_unanswered();
// peeperd did not take the connection: its answer to HELLO was an error.
[[nodiscard]] Failure refused(const resp::Reply& error);
// A reply that nobody asked for: which one comes next is unknown.
[[nodiscard]] Failure unasked();
[[nodiscard]] Failure cancelled();

// How long the command may take in all, and when that ends.
[[nodiscard]] Milliseconds patience(const Command& command, const ClientOptions& options);
[[nodiscard]] Clock::time_point after(Clock::time_point now, Milliseconds time);
[[nodiscard]] Milliseconds left_until(Clock::time_point deadline, Clock::time_point now);
// What to say as TIMEOUT when so much time is left: the server is to answer before we stop waiting.
[[nodiscard]] Milliseconds server_time(const Command& command, const ClientOptions& options,
                                       Milliseconds left);

}  // namespace peeper::client_detail
