#include "common/client/failures.hpp"

#include <algorithm>
#include <cerrno>
#include <string>

namespace peeper::client_detail {
namespace {

// Longer times are cut to this, so that adding one to the clock cannot overflow.
constexpr Milliseconds kLongest = std::chrono::hours(24 * 365);

std::string hint_for(int error) {
  switch (error) {
    case ENOENT:
    case ECONNREFUSED: return "; is peeperd running?";
    case EACCES: return "; may this user use it?";
    default: return "";
  }
}

std::string within(Milliseconds waited) {
  return " within " + std::to_string(waited.count()) + " ms";
}

std::string fate(Carried carried) {
  return carried == Carried::kMaybe ? "; the command may or may not have been carried out"
                                    : "; the command was not carried out";
}

}  // namespace

bool is_loss(const Failure& failure) {
  switch (failure.system_error) {
    case ECONNRESET:
    case EPIPE:
    case ENOTCONN:
    case ECONNREFUSED:
    case ENOENT:
    case EAGAIN: return true;  // connect(): the queue of new connections is full
    default: return false;
  }
}

Failure cannot_connect(std::string_view socket, int error) {
  Failure failure = system_failure("cannot connect to " + std::string(socket), error);
  failure.what += hint_for(error);
  return failure;
}

Failure connection_closed(int error) { return {"peeperd closed the connection", error}; }

Failure no_answer(Milliseconds waited, Carried carried) {
  return {"no answer" + within(waited) + fate(carried), ETIMEDOUT};
}

Failure gave_up(Failure last, Milliseconds waited, Carried carried) {
  last.what = "peeperd did not come back" + within(waited) + ": " + last.what + fate(carried);
  return last;
}

Failure lost_without_token(Failure last) {
  last.what = "connection lost: " + last.what + fate(Carried::kMaybe) +
              "; with a token it would have been sent again";
  return last;
}

Failure too_many_unanswered() {
  return {"more than " + std::to_string(limits::kClientUnanswered) +
              " commands wait for their replies; take some first",
          ENOBUFS};
}

Failure refused(const resp::Reply& error) {
  return {"peeperd refuses the connection: " + error.text, ECONNREFUSED};
}

Failure unasked() { return {"peeperd sent a reply that nobody asked for", EPROTO}; }

Failure cancelled() { return {"cancelled by this program", ECANCELED}; }

Milliseconds patience(const Command& command, const ClientOptions& options) {
  if (command.patience()) return std::clamp(*command.patience(), Milliseconds(0), kLongest);
  const Milliseconds time = command.timeout().value_or(options.timeout);
  return std::clamp(time, Milliseconds(0), kLongest) +
         std::clamp(options.grace, Milliseconds(0), kLongest);
}

Clock::time_point after(Clock::time_point now, Milliseconds time) {
  return now + std::clamp(time, Milliseconds(0), 2 * kLongest);
}

Milliseconds left_until(Clock::time_point deadline, Clock::time_point now) {
  return std::max(std::chrono::ceil<Milliseconds>(deadline - now), Milliseconds(0));
}

Milliseconds server_time(const Command& command, const ClientOptions& options, Milliseconds left) {
  const Milliseconds whole = command.timeout().value_or(options.timeout);
  const Milliseconds total = patience(command, options);
  // A tenth of the grace is not worth another number: the first try says what was asked for.
  if (total - left <= options.grace / 10) return whole;
  const Milliseconds grace = std::max(total - whole, Milliseconds(0));
  const Milliseconds shorter = std::max(left - grace, std::min(whole, left / 2));
  return std::max(shorter, Milliseconds(1));
}

}  // namespace peeper::client_detail
