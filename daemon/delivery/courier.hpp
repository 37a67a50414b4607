// Carries one server's outgoing messages from its outbox to their receivers: reads, asks the
// router, hands over, and frees the outbox behind what has arrived.
//
// Owner: the sending Server, one a segment, in a shared_ptr. Thread: the loop's. Nothing blocks.
// Holds no message: one that can't be delivered yet is read again when its turn comes.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/unordered_map.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "daemon/delivery/receiver.hpp"
#include "daemon/delivery/rings.hpp"
#include "daemon/delivery/router.hpp"

namespace peeper::daemon {

class Courier : public std::enable_shared_from_this<Courier> {
 public:
  // `damaged` is called when the outbox can't be read; so it is at each try to go on there.
  Courier(boost::asio::io_context& loop, Rings& rings, Receiver& sender, Exchange& exchange,
          std::function<void()> damaged);

  // The worker may have published more. Carries a batch of what can be carried; for the rest it
  // comes back by itself, after others had their turn.
  void carry();

  // Messages that were read and have not arrived.
  [[nodiscard]] std::size_t waiting() const { return router_.unfinished(); }
  // Messages and answers that nobody will ever get, since the segment was attached.
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }

 private:
  struct Lane;
  struct Gate;
  enum class Reading { kNext, kNothing, kDamaged };

  void carry_batch();
  void carry_later();
  Reading read_next();
  bool find_receiver(const Outgoing& outgoing, std::string_view& name, Receiver*& receiver) const;
  // False if the message is not what it was when it was first read.
  bool deliver(Router::Turn turn);
  void hand_over(std::string_view name, Receiver* receiver);
  void tell_receiver(std::string_view name, Receiver& receiver, Message message);
  void tell_caller(std::string_view name, Answer answer, Receiver* receiver);
  void wait(std::string_view name, Receiver& for_whom);
  void lane_is_open(const std::string& name);
  void finish(std::string_view name);
  void drop(std::string_view name, std::string_view why);

  boost::asio::io_context& loop_;
  Rings& rings_;
  Receiver& sender_;
  Exchange& exchange_;
  std::function<void()> damaged_;
  Router router_;
  Outgoing outgoing_;              // as last read
  std::string value_;              // an answer that stands in for the receiver's
  boost::unordered_map<std::string, std::shared_ptr<Lane>> lanes_;  // of receivers that are blocked
  std::shared_ptr<Gate> gate_;     // while an answer's receiver isn't known yet
  bool later_ = false;             // the rest of a batch is posted
  std::uint64_t dropped_ = 0;
  std::uint64_t dropped_since_log_ = 0;
  std::chrono::steady_clock::time_point quiet_until_;
};

}  // namespace peeper::daemon
