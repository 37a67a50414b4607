// Looks for replies that are about to come, before the loop sleeps until a bell tells of them: a
// bell costs its ringer and its hearer a system call each, and a sleeper its waking up.
//
//   no call open ──expect()──▶ looked at, bell off ──in vain──▶ bell on ──its reply──▶ looked at, …
//
// Owner: Runtime. Thread: the loop's. Bounded: each time it looks no longer than kSlice, so that
// nobody else waits for it, and for one reply no longer than BusyPoll lets it.
#pragma once

#include <boost/intrusive/list.hpp>

#include "common/busy_poll.hpp"
#include "daemon/loop/turn_clock.hpp"

namespace peeper::daemon {

// A server, to the Lookout. It leaves by itself when it is destroyed.
class Awaited
    : public boost::intrusive::list_base_hook<
          boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  explicit Awaited(BusyPollLimits limits) : poll_(limits) {}
  virtual ~Awaited() = default;

  [[nodiscard]] virtual bool awaits_replies() const = 0;
  // As the worker shows it; nothing is believed.
  [[nodiscard]] virtual bool has_replies() const = 0;
  // Delivers those there are.
  virtual void take_replies() = 0;
  // The bell rings at the next one. Those that have come meanwhile are delivered.
  virtual void bell_on() = 0;
  virtual void bell_off() = 0;

 protected:
  [[nodiscard]] const BusyPollLimits& poll_limits() const { return poll_.limits(); }
  // A reply was delivered: the wait for the next one begins.
  void note_reply() { wait_begins_ = true; }

 private:
  friend class Lookout;
  BusyPoll poll_;
  std::uint64_t looks_until_ = 0;  // for the next reply; 0: its bell is on
  std::uint64_t bell_on_at_ = 0;
  bool wait_begins_ = false;
};

class Lookout {
 public:
  // `clock`: outlives it.
  explicit Lookout(TurnClock& clock) : clock_(clock) {}

  // Before it is sent a call that is the only one, or one more.
  void expect(Awaited& server);
  // No reply is awaited: one may sleep.
  [[nodiscard]] bool is_idle() const { return awaited_.empty(); }

  // Several clients came at once: there is enough to do for all processors, worker and clients
  // included, so that one had better sleep.
  void was_crowded();

  // When there is nothing else to do, after the clock's rest(). True: see whether there is now, and come back; false: all
  // bells are on.
  bool look();

 private:
  using Servers =
      boost::intrusive::list<Awaited, boost::intrusive::constant_time_size<false>>;
  bool gather();
  bool finds_some();
  void begin_wait(Awaited& server);
  void end_look(Awaited& server);

  TurnClock& clock_;
  Servers awaited_;
};

}  // namespace peeper::daemon
