// Tells those who want to know what becomes of a server's State: the subscribers of its channel,
// and its listeners, who run in the keeper. Asks an observer for the State when something may have
// changed, never more often than is worth it, and not at all while nobody wants to know.
//
// The worker does nothing for it but ring the bell once, when it is armed. Only one that leaves no
// gap between two messages is asked itself, and seldom: showing the State takes its time.
//
// Owner: Server. Thread: the loop's. Nothing blocks but launching and ending a process.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/result.hpp"
#include "daemon/inspection/observer.hpp"
#include "daemon/inspection/state_event.hpp"
#include "daemon/loop/instant.hpp"

namespace peeper::daemon {

// What a StateWatch needs of its server.
class StateSource {
 public:
  // What is committed, and how often what is kept was written; equal moments are the same State.
  struct Moment {
    std::uint64_t segment = 0;  // uid; 0: there is none
    std::uint64_t sequence = 0;
    std::uint64_t writes = 0;   // transactions that may have changed the State
    std::uint64_t changes = 0;  // those that did; grows from one worker to the next
    std::uint64_t changes_before = 0;  // of those, the ones by former workers
  };

  virtual ~StateSource() = default;
  [[nodiscard]] virtual const std::string& name() const = 0;
  [[nodiscard]] virtual Moment state_moment() const = 0;
  // The bell is to be rung at the next write. Whoever wrote before is seen in a Moment after it.
  virtual void arm_state_bell() = 0;
  [[nodiscard]] virtual LaunchSpec observer_spec() = 0;
  // The State by the worker itself, or an error; once, later.
  virtual void ask_for_state(std::function<void(std::string_view value)> on_value) = 0;
  virtual void publish_state_event(const StateEvent& event) = 0;
};

// Who runs listeners, if the server has any.
class StateListener {
 public:
  virtual ~StateListener() = default;
  // Is there somebody to be told, who has done with all before?
  [[nodiscard]] virtual bool is_ready() const = 0;
  // Is there somebody, now or later? Who comes later goes on where the last one was.
  [[nodiscard]] virtual bool is_there() const = 0;
  // Is there somebody now, though he may be busy?
  [[nodiscard]] virtual bool is_attached() const = 0;
  virtual void tell(const StateEvent& event) = 0;
};

class StateWatch {
 public:
  // Both outlive it. `listener` may be null.
  StateWatch(boost::asio::io_context& loop, StateSource& source, StateListener* listener);
  ~StateWatch() { close(); }
  StateWatch(const StateWatch&) = delete;
  StateWatch& operator=(const StateWatch&) = delete;

  // Whether its channel has subscribers.
  void set_followed(bool followed);
  // Something may have changed, somebody may be ready. Cheap where nothing is to be done.
  void look();
  // A worker has ended.
  void terminated(std::string reason);
  // Other code, or another segment: the observer's are void.
  void renew();
  // What was owed is told, with the State as it was seen last; after that nobody is told anything.
  void end();
  // 0: there is none.
  [[nodiscard]] int observer_pid() const { return observer_.pid(); }
  // Is there an end that the listeners were not told of yet? Theirs to know before their keeper ends.
  [[nodiscard]] bool owes_listeners() const;

 private:
  // Questions have numbers. An end is told with the answer to one that was asked after it, and who
  // has come is shown the answer to one that was asked after he came.
  struct Ending {
    std::string reason;
    std::uint64_t asked;  // questions there had been by then
  };
  struct Audience {
    StateAudience changes;
    std::uint64_t asked = 0;  // questions there had been when it came
    std::deque<Ending> endings;
  };

  [[nodiscard]] bool is_wanted() const;
  [[nodiscard]] bool is_listener_ready() const {
    return listener_ != nullptr && listener_->is_ready();
  }
  [[nodiscard]] bool is_to_be_asked() const;
  [[nodiscard]] bool lacks(const Audience& audience) const;
  [[nodiscard]] bool waits_to_tell_end(const Audience& audience) const;
  void wait_until(Instant when);
  void ask();
  void on_answer(const Result<Observer::Answer>& answer);
  void on_failure(const Failure& failure);
  [[nodiscard]] std::uint64_t changes_at(const Observer::Answer& answer) const;
  void ask_worker();
  void show(StateSight sight);
  void show_instead(StateText state);
  void tell();
  [[nodiscard]] std::optional<StateEvent> next_event(Audience& audience) const;
  [[nodiscard]] StateEvent take_ending(Audience& audience) const;
  void pause(std::chrono::nanoseconds least, int times);
  void hurry();
  void lose(const std::string& why);
  void forget();
  void close();

  StateSource& source_;
  StateListener* const listener_;
  Observer observer_;
  boost::asio::steady_timer timer_;
  bool is_waiting_ = false;   // for the timer
  bool asks_worker_ = false;
  bool ended_ = false;
  bool followed_ = false;
  // Who subscribes may have asked for the State before it is observed.
  Audience followers_{StateAudience{StateAudience::First::kIsTold}, 0, {}};
  Audience listeners_{StateAudience{StateAudience::First::kIsNoNews}, 0, {}};
  std::uint64_t asked_ = 0;     // questions there have been
  std::uint64_t answered_ = 0;  // the last one that found something: a State, or what is below
  std::optional<StateSight> sight_;  // the last one
  std::uint64_t sighted_ = 0;        // the question that found it
  // Told of ends in the State's place, where it wasn't to be had at the last question: null, or an
  // error; the former while there is none, the latter until another attempt succeeds.
  StateText instead_;
  StateSource::Moment seen_;   // before the last question
  Instant asked_at_{};
  Instant not_before_{};       // the next question
  int failures_ = 0;           // to see the State, in a row
  int torn_ = 0;               // of those, observers that ended while commits were made
  // What was begun by one that has been destroyed or ended since finds another number.
  std::shared_ptr<std::uint64_t> run_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace peeper::daemon
