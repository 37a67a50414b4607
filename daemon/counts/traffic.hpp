// What one server was sent and has answered since peeperd's start, as far as the daemon carries it:
// what goes through a client's own channel it doesn't see.
//
// Pure; times are arguments, in ns of the steady clock. Owner: Server. Counting one message costs some
// nanoseconds and no memory, but for the first crash of each cause.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "daemon/counts/durations.hpp"
#include "daemon/counts/recent.hpp"

namespace peeper::daemon {

// The first words of errors that the wire protocol has; the last one is all others.
inline constexpr std::array<std::string_view, 10> kErrorKinds{
    "CRASHED", "TIMEOUT", "DOWN", "BUSY", "TOOBIG", "BADARG", "DENIED", "NOSERVER", "ERR",
    "other"};

// `value`: a RESP3 value. None of kErrorKinds (its size): it is no error.
[[nodiscard]] constexpr std::size_t error_kind(std::string_view value) {
  if (value.empty() || (value[0] != '-' && value[0] != '!')) return kErrorKinds.size();
  if (value[0] == '!') value.remove_prefix(std::min(value.find('\n'), value.size() - 1));
  value.remove_prefix(1);
  const std::string_view word = value.substr(0, value.find_first_of(" \r\n"));
  const auto found = std::find(kErrorKinds.begin(), kErrorKinds.end() - 1, word);
  return static_cast<std::size_t>(found - kErrorKinds.begin());
}

struct Traffic {
  explicit Traffic(std::uint64_t now) : recent(now) {}

  // `value`: what the caller gets, RESP3; `ns`: since its command was read.
  void answered(std::uint64_t now, std::uint64_t ns, std::string_view value) {
    durations.add(ns);
    recent.add(now, ns);
    note_error(value);
  }
  void note_error(std::string_view value) {
    if (const std::size_t kind = error_kind(value); kind != kErrorKinds.size()) ++errors[kind];
  }

  std::uint64_t calls = 0;  // accepted, as the next two
  std::uint64_t casts = 0;
  std::uint64_t infos = 0;
  std::uint64_t starts = 0;  // of workers
  std::array<std::uint64_t, kErrorKinds.size()> errors{};
  std::map<std::string, std::uint64_t, std::less<>> crashes;  // by cause: "SIGSEGV", "exception", …
  Durations<std::uint64_t> durations;                         // of calls, errors included
  Recent recent;
};

}  // namespace peeper::daemon
