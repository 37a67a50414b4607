// The daemon's end of what a keeper's listeners are told (common/launch.hpp: ToListeners): one
// event at a time, which the keeper acknowledges when all of them have returned.
//
// Owner: KeeperListeners. Thread: the loop's. Never blocks, and copies no state: a keeper that
// reads slowly, or not at all, keeps one event alive and nobody waiting.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "common/launch.hpp"
#include "common/limits.hpp"
#include "common/result.hpp"
#include "common/unique_fd.hpp"
#include "daemon/process/spawn.hpp"

namespace peeper::daemon {

struct ListenerEvent {
  using Text = std::shared_ptr<const std::string>;

  launch::Told event = launch::Told::kChanged;
  std::uint64_t sequence = 0;
  std::uint64_t changes = 0;  // kChanged
  std::string reason;         // kTerminated; what is beyond launch::kReasonBytes is cut
  Text old_state;             // kChanged: one RESP3 value; null: none
  Text state;
};

class ListenerLink {
 public:
  // `on_ready` is called when is_ready() has become true, not from within a function of this.
  ListenerLink(boost::asio::io_context& loop, std::string server, std::function<void()> on_ready);
  ~ListenerLink();
  ListenerLink(const ListenerLink&) = delete;
  ListenerLink& operator=(const ListenerLink&) = delete;

  // --- Of each keeper ----------------------------------------------------------------------------
  // New ends, for the keeper that `spec` launches; what is returned is its, until it was launched.
  // Fails for want of descriptors.
  [[nodiscard]] Result<UniqueFd> open(LaunchSpec& spec);
  // It holds its segment.
  void attached();
  // It is dead, or given up. What was not acknowledged never will be.
  void closed();
  // After closed(): the number, from 1, of the listener that ran when it died. None: none did.
  [[nodiscard]] std::optional<std::uint64_t> running_listener();

  // --- Events ------------------------------------------------------------------------------------
  // A keeper is attached, and has acknowledged everything.
  [[nodiscard]] bool is_ready() const { return is_attached_ && !is_telling_ && !is_writing_; }
  // And takes events: one that has closed its end of the stream isn't told anything.
  [[nodiscard]] bool is_attached() const { return is_attached_; }
  // False, and nothing is told: it isn't ready, or a state is larger than limits::kInspectedBytes.
  bool tell(ListenerEvent event);
  // Events that were acknowledged, of all keepers.
  [[nodiscard]] std::uint64_t acknowledged() const { return acknowledged_; }

 private:
  struct Outgoing {
    launch::ToListeners head;
    ListenerEvent event;
  };
  void listen();
  void take_acks(std::size_t bytes);
  void written();
  void deaf();
  void tell_ready();

  boost::asio::io_context& loop_;
  const std::string server_;
  const std::function<void()> on_ready_;
  using Socket = boost::asio::local::stream_protocol::socket;
  // Of one keeper; null: there is none. What is half written when it dies goes on into that one,
  // not into its successor's.
  std::shared_ptr<Socket> socket_;
  UniqueFd mark_;
  boost::asio::steady_timer deaf_timer_;
  char acks_[16] = {};
  bool is_attached_ = false;
  bool is_telling_ = false;  // an event that is not acknowledged
  bool is_writing_ = false;  // an event that is not all in the socket
  bool has_complained_ = false;
  std::uint64_t acknowledged_ = 0;
  // Of the keeper whose socket it is: what comes later of a former one's is not for us.
  std::shared_ptr<int> keeper_ = std::make_shared<int>();
};

}  // namespace peeper::daemon
