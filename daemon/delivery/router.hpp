// Which of one server's outgoing messages is delivered next, what becomes of one that can't be, and
// up to where its outbox is done. Pure: positions in, positions out; no memory of a segment, no
// clock, no log.
//
// The messages to one receiver keep their order: each waits for the one before it. Receivers don't
// wait for each other. The outbox's head moves over the finished prefix only, so that whatever is
// not delivered is still there for the next daemon; its receivers know by number what they have
// twice (layout.hpp, MessageHead).
//
// It holds 32 bytes a message between head and end, at least 40 bytes each, and one queue a
// receiver that has any of them: bounded by the outbox.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/unordered_map.hpp>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "common/segment/layout.hpp"

namespace peeper::daemon {

// What a receiver says to a message.
enum class Answer {
  kDelivered,
  kFull,     // not now
  kWait,     // not now: it is starting, or the daemon stops
  kUnknown,  // never: there is no such server
  kDown,     // never: it was given up, or has ended
  kTooBig,   // never
};

enum class Step {
  kFinish,
  kWait,          // for the receiver
  kDrop,          // nobody is told but the log
  kTellCaller,    // the sender gets the error as its call's answer
  kTellReceiver,  // who waits for this answer gets the error in its place
};
[[nodiscard]] Step on_answer(segment::OutgoingType type, Answer answer);
// Of the sender to the error that answers its call; kWait: for the sender.
[[nodiscard]] Step on_answer_of_caller(Answer answer);

class Router {
 public:
  // `head`: where the outbox begins.
  explicit Router(std::uint64_t head) : head_(head), read_(head) {}
  Router(const Router&) = delete;
  Router& operator=(const Router&) = delete;
  ~Router();

  // --- The outbox's messages, in its order -------------------------------------------------------
  // The next one begins at or after this position.
  [[nodiscard]] std::uint64_t read() const { return read_; }
  struct Place {
    std::uint64_t position;
    std::uint64_t end;
  };
  void add(std::string_view receiver, Place place);
  // One that is finished already.
  void pass(Place place);

  // --- Delivery ----------------------------------------------------------------------------------
  struct Turn {
    std::string_view receiver;  // valid until its next finish()
    std::uint64_t position;
  };
  // Receivers that aren't blocked take turns. None: all are, or nothing is left.
  [[nodiscard]] std::optional<Turn> next() const;
  // The turn of this one. None: it is blocked, or has none left.
  [[nodiscard]] std::optional<Turn> next(std::string_view receiver) const;
  // The receiver's first message is done with, one way or the other.
  void finish(std::string_view receiver);
  // It is not, and all behind it wait, until unblock().
  void block(std::string_view receiver);
  void unblock(std::string_view receiver);

  // All before is finished.
  [[nodiscard]] std::uint64_t head() const { return head_; }
  [[nodiscard]] std::size_t unfinished() const { return unfinished_; }

 private:
  // Records are counted from 1, queues are chains of these counts; 0 ends one.
  struct Record {
    Place place;
    std::uint64_t next = 0;
    bool finished = false;
  };
  struct Queue : boost::intrusive::list_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    std::string_view receiver;  // the map's key
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };
  using Ready = boost::intrusive::list<Queue, boost::intrusive::constant_time_size<false>>;

  [[nodiscard]] Record& record(std::uint64_t count) { return records_[count - first_]; }
  [[nodiscard]] const Record& record(std::uint64_t count) const {
    return records_[count - first_];
  }
  [[nodiscard]] Turn turn_of(const Queue& queue) const;
  void advance();

  std::uint64_t head_;
  std::uint64_t read_;
  std::deque<Record> records_;  // from the first unfinished one
  std::uint64_t first_ = 1;     // count of records_.front()
  std::size_t unfinished_ = 0;
  // Its nodes stay where they are.
  boost::unordered_map<std::string, Queue> queues_;
  Ready ready_;
};

}  // namespace peeper::daemon
