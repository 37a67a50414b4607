// One server as the daemon sees it: its keeper, its worker, its rings, and who waits for replies.
// What to do when is decided by the lifecycle; this does it.
//
// Owner: Runtime. Thread: the loop's. Never blocks but for launching a process.
#pragma once

#include <boost/asio/generic/seq_packet_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "common/launch.hpp"
#include "daemon/calls.hpp"
#include "daemon/child.hpp"
#include "daemon/config/config.hpp"
#include "daemon/lifecycle.hpp"
#include "daemon/rings.hpp"

namespace peeper::daemon {

// Where the two programs are, and where the behaviour is.
struct Programs {
  std::filesystem::path keeper;
  std::filesystem::path worker;
};

// Somebody whose message found the mailbox full.
class RoomWaiter {
 public:
  virtual ~RoomWaiter() = default;
  // There may be room, or the server is down: send() again, and wait_for_room() again if need be.
  virtual void room_available() = 0;
};

enum class Role { kKeeper, kWorker };

class Server {
 public:
  Server(boost::asio::io_context& loop, const Programs& programs, std::string instance,
         config::ServerSection section, std::filesystem::path library);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // `settled` is called once, when messages are accepted or the server is down.
  void start(std::function<void()> settled);
  // `stopped` is called once nothing of the server runs any more. The segment stays.
  void stop(std::function<void()> stopped);

  enum class Sent { kDone, kFull, kTooBig, kDown };
  // A message for the mailbox. With a target its reply, or the error in its stead, is delivered by
  // the deadline.
  Sent send(segment::MessageType type, std::span<const std::string_view> strings,
            ReplyTarget target, Instant deadline);
  Sent send(segment::MessageType type, std::span<const std::string_view> strings);
  // After kFull. In order of asking.
  void wait_for_room(std::weak_ptr<RoomWaiter> waiter);
  // After kDown: "DOWN counter: …".
  [[nodiscard]] std::string down_text() const;
  [[nodiscard]] std::string too_big_text() const;

  // False if there is no such process now.
  bool signal(Role role, int number);

  // --- What ls and status show -------------------------------------------------------------------
  struct Facts {
    std::string_view state;  // "starting", "running", "recovering", "down", "stopping"
    int keeper_pid;          // 0: none
    int worker_pid;
    std::uint32_t incarnation;
    std::uint64_t crashes;
    std::size_t mailbox;     // messages accepted, not committed
    bool in_message;         // a callback runs, or ran when the worker died
    std::size_t calls;       // waiting for their reply
    std::uint64_t sequence;
    std::uint64_t heap_reserved;    // bytes, as those below
    std::uint64_t heap_used;
    std::uint64_t heap_high_water;
    std::uint64_t journal_faults;   // pages, of this incarnation
    std::uint64_t journal_copies;
    std::uint64_t hot_pages;
    std::uint64_t break_even;
    std::string last_crash;  // empty: none
  };
  [[nodiscard]] Facts facts();
  [[nodiscard]] const config::ServerSection& section() const { return section_; }
  [[nodiscard]] const std::string& name() const { return section_.name; }
  [[nodiscard]] const std::filesystem::path& library() const { return library_; }
  [[nodiscard]] bool blocks_when_full() const {
    return section_.overflow == config::Overflow::kBlock;
  }

 private:
  void happen(Event event);
  void act(Action action);

  void launch_keeper();
  void launch_worker();
  void launch_failed(EventType event, const Failure& failure);
  void receive_from_keeper();
  void on_keeper_packet(const launch::ToDaemon& packet);
  void on_recovered(const launch::ToDaemon& packet);
  void tell_keeper(const launch::ToKeeper& request);
  bool attach_rings();
  void on_keeper_exit(int wait_status);
  void on_worker_exit(int wait_status);
  void announce_down();
  void announce_stopped();
  void settle_start();

  void watch_bell();
  void drain();
  void deliver(std::uint64_t request, std::string_view value);
  void offer_room();
  void fail_calls(const std::string& error);
  void watch_deadlines();
  void after(boost::asio::steady_timer& timer, std::chrono::milliseconds delay, EventType event);

  boost::asio::io_context& loop_;
  const Programs& programs_;
  const std::string instance_;
  const config::ServerSection section_;
  const std::filesystem::path library_;
  Lifecycle life_;

  std::unique_ptr<Child> keeper_;
  std::unique_ptr<Child> worker_;
  boost::asio::generic::seq_packet_protocol::socket control_;
  launch::ToDaemon packet_{};
  boost::asio::socket_base::message_flags packet_flags_ = 0;
  boost::asio::posix::stream_descriptor bell_;
  boost::asio::steady_timer keeper_timer_;
  boost::asio::steady_timer worker_timer_;
  boost::asio::steady_timer retry_timer_;
  boost::asio::steady_timer call_timer_;
  Instant call_timer_at_ = Instant::max();

  std::optional<Rings> rings_;
  Calls calls_;
  std::uint64_t last_request_ = 0;
  std::deque<std::weak_ptr<RoomWaiter>> waiting_for_room_;
  bool draining_ = false;

  std::uint32_t incarnation_ = 0;
  std::uint64_t crashes_ = 0;
  launch::ToKeeper last_death_{};  // what the next recovery is told
  bool last_end_was_normal_ = false;
  std::string last_crash_;
  std::string failure_;  // why it is down, in the keeper's or the worker's words
  std::function<void()> settled_;
  std::function<void()> stopped_;
};

}  // namespace peeper::daemon
