// The terminal of a program that draws whole screens.
//
// Owner: whoever shows something there, one a process. Thread: any one. Not async-signal-safe.
#pragma once

#include <sys/signalfd.h>
#include <termios.h>

#include <chrono>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "daemon/cli/top_view.hpp"

namespace peeper::cli {

// What NO_COLOR says (https://no-color.org).
[[nodiscard]] bool allows_colours();

// The alternate screen, keys one by one, no cursor; all as before when it is destroyed. Signals that
// would end the process are held back meanwhile, and told by wait().
class Terminal {
 public:
  static Result<Terminal> open();
  Terminal(Terminal&& other) noexcept;
  Terminal& operator=(Terminal&&) = delete;
  ~Terminal();

  enum class Event { kKeys, kResized, kSignal, kTime };
  // kKeys: they are in keys(). kSignal: it is to end; or its terminal is gone.
  [[nodiscard]] Event wait(std::chrono::milliseconds most);
  [[nodiscard]] std::string_view keys() const { return keys_; }

  [[nodiscard]] Screen screen() const;
  // In place of all that is shown.
  void show(std::string_view lines);

 private:
  Terminal(const termios& before, UniqueFd signals, const sigset_t& mask)
      : before_(before), signals_(std::move(signals)), mask_(mask) {}

  termios before_;
  UniqueFd signals_;  // empty: moved from
  sigset_t mask_;
  std::string keys_;
};

}  // namespace peeper::cli
