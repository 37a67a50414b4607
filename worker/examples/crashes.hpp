// Ways to die, for trying out what peeper makes of them. Not part of a real server.
#pragma once

#include <peeper/message.hpp>

#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <stdexcept>
#include <string_view>

namespace crashes {

inline void raise(const peeper::Message&) { throw std::runtime_error("raised on request"); }

// Writes to address 0. Through a volatile pointer, so that no compiler knows; and past UBSan, which
// would report it and leave without the signal.
__attribute__((no_sanitize("undefined"))) inline void segv(const peeper::Message&) {
  volatile int* volatile nowhere = nullptr;
  *nowhere = 1;
}

inline void abort(const peeper::Message&) { std::abort(); }

// exit N
inline void exit(const peeper::Message& message) {
  std::exit(static_cast<int>(message.integer(0).value_or(1)));
}

// Each frame looks at the one above it, so none can be removed or reused.
[[gnu::noinline]] inline std::size_t recurse(const volatile char* above) {
  volatile char frame[1024];
  frame[0] = above == nullptr ? '\0' : *above;
  static volatile bool enough = false;
  if (enough) return 0;
  return recurse(frame) + static_cast<std::size_t>(frame[0]);
}

inline void overflow(const peeper::Message&) { (void)recurse(nullptr); }

// hang MILLISECONDS
inline void hang(const peeper::Message& message) {
  const std::int64_t milliseconds = std::max<std::int64_t>(message.integer(0).value_or(0), 0);
  timespec left{};
  left.tv_sec = static_cast<time_t>(milliseconds / 1000);
  left.tv_nsec = static_cast<long>(milliseconds % 1000 * 1'000'000);
  while (nanosleep(&left, &left) == -1 && errno == EINTR) {
  }
}

using Crash = void (*)(const peeper::Message&);

// Null when there is no such crash.
inline Crash find(std::string_view name) {
  if (name == "raise") return &raise;
  if (name == "segv") return &segv;
  if (name == "abort") return &abort;
  if (name == "exit") return &exit;
  if (name == "overflow") return &overflow;
  if (name == "hang") return &hang;
  return nullptr;
}

}  // namespace crashes
