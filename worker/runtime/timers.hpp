// What is to become a message later: timers of send_after, and the time limits of this server's own
// calls, which are timers that an answer cancels.
//
// Lives in the heap, as all it owns: so a timer is set, fired or cancelled with the transaction that
// does it, or not at all, and none fires twice. Times are CLOCK_MONOTONIC in ns: setting the clock
// moves no timer, and a segment does not outlive the machine's boot. Owner: Durable. Thread: the
// callback thread; what changes happens inside a transaction.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "peeper/ordered.hpp"
#include "peeper/sequences.hpp"
#include "peeper/string.hpp"
#include "peeper/unordered.hpp"

namespace peeper::worker {

struct Timer {
  enum class Kind : std::uint32_t {
    kMessage,   // strings: name and arguments
    kCall,      // strings: the called server. An answer is awaited
    kLostCall,  // the same, but its answer was dropped: only the time limit comes
  };
  Kind kind = Kind::kMessage;
  peeper::vector<peeper::string> strings;
};

class Timers {
 public:
  // Never due: later than any clock gets.
  static constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();

  // `number` is new.
  void add(std::uint64_t number, std::uint64_t due, Timer timer) {
    by_due_.emplace(Key{due, number}, std::move(timer));
    due_.emplace(number, due);
  }

  [[nodiscard]] bool empty() const { return by_due_.empty(); }
  [[nodiscard]] std::size_t size() const { return due_.size(); }
  [[nodiscard]] std::uint64_t earliest_due() const {
    return by_due_.empty() ? kNever : by_due_.begin()->first.first;
  }
  // Of the earliest; there is one.
  [[nodiscard]] std::uint64_t earliest_number() const { return by_due_.begin()->first.second; }

  // When it would have been due; nothing if there is none of that number and kind.
  std::optional<std::uint64_t> cancel(std::uint64_t number, Timer::Kind kind) {
    const auto found = due_.find(number);
    if (found == due_.end()) return std::nullopt;
    const std::uint64_t due = (*found).second;
    const auto timer = by_due_.find(Key{due, number});
    if (timer->second.kind != kind) return std::nullopt;
    by_due_.erase(timer);
    due_.erase(found);
    return due;
  }

  // The answer to this call, if it is awaited, never will be taken.
  void lose_answer(std::uint64_t call) {
    const auto found = due_.find(call);
    if (found == due_.end()) return;
    Timer& timer = by_due_.find(Key{(*found).second, call})->second;
    if (timer.kind == Timer::Kind::kCall) timer.kind = Timer::Kind::kLostCall;
  }

  // Takes one out, whatever its kind.
  std::optional<Timer> take(std::uint64_t number) {
    const auto found = due_.find(number);
    if (found == due_.end()) return std::nullopt;
    const auto timer = by_due_.find(Key{(*found).second, number});
    std::optional<Timer> taken{std::move(timer->second)};
    by_due_.erase(timer);
    due_.erase(found);
    return taken;
  }

 private:
  using Key = std::pair<std::uint64_t, std::uint64_t>;  // due, number

  peeper::map<Key, Timer> by_due_;
  peeper::unordered_map<std::uint64_t, std::uint64_t> due_;
};

}  // namespace peeper::worker
