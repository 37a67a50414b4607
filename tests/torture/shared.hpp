// What the torture's threads have in common.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

namespace peeper::torture {

// The first thing that should not be. Any thread.
class Verdict {
 public:
  void fail(const std::string& what) {
    const std::lock_guard lock{mutex_};
    if (!has_failed_) what_ = what;
    has_failed_ = true;
  }
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  [[nodiscard]] std::string what() const {
    const std::lock_guard lock{mutex_};
    return what_;
  }

 private:
  mutable std::mutex mutex_;
  std::string what_;
  std::atomic<bool> has_failed_{false};
};

struct Figures {
  std::atomic<std::int64_t> messages{0};  // that were settled
  std::atomic<std::int64_t> repeated{0};  // tries after the first, by the caller
  std::atomic<std::int64_t> outlived{0};  // answered by another peeperd than was asked first
  std::atomic<std::int64_t> crashed{0};   // answers
  std::atomic<std::int64_t> undone{0};    // of these, to messages that don't crash by themselves
  std::atomic<std::int64_t> let_be{0};    // of these, not sent again
  std::atomic<std::int64_t> down{0};
  std::atomic<std::int64_t> timeouts{0};
};

struct Shared {
  Verdict verdict;
  Figures figures;
  // Odd while peeperd is being killed: connections may be lost from then on. So a command that
  // began and ended at the same even number was sent once.
  std::atomic<std::uint64_t> daemon_deaths{0};
};

}  // namespace peeper::torture
