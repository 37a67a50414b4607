// The thread that a keeper's listeners run on: reads events, tells each of them in order,
// acknowledges. Whatever becomes of it, the keeper's own work doesn't wait for it.
//
// While a listener runs its number (from 1) is in the eventfd `mark`: who finds the keeper dead
// knows by that whose doing it was. One that takes too long is noticed by the main thread, which is
// woken by alarm(), a timer of the kernel's, and ends the process; time in which the process was
// stopped doesn't count. One that has closed descriptors of the keeper's ends it as well, and so
// does a stream of events that can't be read any more: nobody would be told for good.
//
// Owner: Keeper, until the process ends: the thread may hang in foreign code, so it is never
// joined, and who has one ends by _exit.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/unique_fd.hpp"
#include "keeper/event.hpp"
#include "keeper/event_stream.hpp"
#include "keeper/held_file.hpp"
#include "keeper/running_time.hpp"

namespace peeper::keeper {

class ListenerThread {
 public:
  struct Setup {
    std::string server;
    std::vector<std::string> listeners;              // see make_listener.hpp
    std::optional<std::chrono::milliseconds> limit;  // of a call; none: as long as it likes
    UniqueFd stream;
    UniqueFd mark;
    std::vector<int> kept;  // descriptors of others that no listener may close
    // That one can't be told anything. Called by the thread.
    std::function<void(std::size_t number, const std::string& why)> on_failed;
  };
  explicit ListenerThread(Setup setup);
  ListenerThread(const ListenerThread&) = delete;
  ListenerThread& operator=(const ListenerThread&) = delete;

  // --- For the main thread -----------------------------------------------------------------------
  void start();
  // Readable when it is time to look().
  [[nodiscard]] int alarm() const { return alarm_.get(); }
  // Ends the process if a call takes too long. If nobody looks for a while, that is no time of the
  // call's.
  void look();
  // Lets the listeners have what was sent so far, and destroys them. Returns when that is done, at
  // the latest after `patience`.
  void finish(std::chrono::milliseconds patience);

 private:
  using Clock = std::chrono::steady_clock;
  struct Member {
    std::string spec;
    std::unique_ptr<EventListener> listener;  // none: it could not be made
  };

  void run();
  // False: the stream has ended.
  bool tell_next();
  void make_all();
  void tell_all(const StateEvent& event);
  // One call of listener `number`: marked, and watched.
  template <class Call>
  void watched(std::size_t number, const char* doing, Call call);
  void set_mark(std::uint64_t number) const;
  void set_alarm(std::chrono::nanoseconds period) const;
  void has_ended() const;
  void check_kept(std::size_t number, const char* doing) const;
  [[nodiscard]] std::chrono::milliseconds limit_of(std::size_t number) const;

  const std::string server_;
  const std::optional<std::chrono::milliseconds> limit_;
  const UniqueFd mark_;
  const UniqueFd alarm_;
  const UniqueFd ended_;
  const std::function<void(std::size_t, const std::string&)> on_failed_;
  std::vector<HeldFile> kept_;
  EventStream stream_;
  std::vector<Member> members_;

  // What runs, for look(). Written by the thread: the turn last at the begin, first at the end.
  std::atomic<std::uint64_t> turn_{0};  // odd: a call runs; each has another
  std::atomic<std::uint64_t> number_{0};
  std::atomic<std::int64_t> begin_ns_{0};
  std::atomic<std::int64_t> limit_ms_{0};  // 0: none
  std::atomic<const char*> doing_{""};
  // Of the main thread's: which call it saw last, and for how long.
  std::uint64_t seen_turn_ = 0;
  std::optional<RunningTime> seen_for_;
};

}  // namespace peeper::keeper
