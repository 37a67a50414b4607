// The descriptors that carry the traffic: clients' sockets, the listening one, servers' bells. One
// turn of the loop is turn(), in which each that is ready reads once and works on what it got, then
// settle(), in which each that has got something to do for others does it, once: wakes its worker,
// writes its replies. So a turn costs each descriptor two system calls at the most, and nobody has
// more than its share of it.
//
// asio's reactor would ask each socket twice (it reads until there is no more) and arm each bell
// anew with a system call. It keeps the timers, signals and children, and sleeps for all: what
// descriptor() says is ready when one of these is.
//
// Owner: Runtime. Thread: the loop's. Nothing blocks. A user may leave, be closed, or be destroyed
// at any time, also in the middle of a turn.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "common/unique_fd.hpp"
#include "daemon/loop/turn_clock.hpp"

namespace peeper::daemon {

class Sockets {
 public:
  // As in epoll, of which it takes the values.
  static constexpr std::uint32_t kReadable = 1;
  static constexpr std::uint32_t kWritable = 4;
  // With kReadable: told once each time something was written, so it need not be read.
  static constexpr std::uint32_t kEachTime = 1U << 31;

  // Who has a descriptor here, or only something to settle. It leaves when it is destroyed.
  class User {
   public:
    User() = default;
    User(const User&) = delete;
    User& operator=(const User&) = delete;
    virtual ~User() { leave(); }

   protected:
    // What it asked for, perhaps more: then to read or to write says what is the matter. Told again
    // in the next turn while it is so.
    virtual void on_ready(std::uint32_t what) = 0;
    // At the end of the turn, once for any number of settle_soon().
    virtual void settle() {}

    void join(Sockets& sockets, int fd);
    // kReadable, kWritable, both, or 0. An error or a hang-up is told to whoever asks for one.
    // False: the kernel has no memory for that, and nothing is told.
    [[nodiscard]] bool ask_for(std::uint32_t what);
    void settle_soon();
    // Before the descriptor is closed.
    void leave();

   private:
    friend class Sockets;
    Sockets* sockets_ = nullptr;
    int fd_ = -1;
    std::uint32_t asked_ = 0;
    bool settles_ = false;
  };

  // `clock`: outlives it.
  explicit Sockets(TurnClock& clock);
  Sockets(const Sockets&) = delete;
  Sockets& operator=(const Sockets&) = delete;

  // Tells those that are ready, at most kMostReady of them. How many that were. A turn of the
  // clock's begins if there are any, or somebody is to be settled: after the kernel has said who is
  // ready, so what made them ready is older than the turn.
  std::size_t turn();
  // Settles those that asked for it before; who asks meanwhile waits for the next time.
  // False: there was nobody.
  bool settle();
  [[nodiscard]] bool has_to_settle() const { return !to_settle_.empty(); }

  // Readable while turn() has something to do.
  [[nodiscard]] int descriptor() const { return epoll_.get(); }

  // For one read: whoever reads uses it before another does.
  [[nodiscard]] std::span<char> read_buffer() { return buffer_; }
  // The time of this turn.
  [[nodiscard]] TurnClock& clock() { return clock_; }
  // Lives until nobody can be in the middle of its functions.
  void bury(std::shared_ptr<void> dead) { dead_.push_back(std::move(dead)); }

 private:
  static constexpr int kMostReady = 256;
  static constexpr std::size_t kReadBytes = 16 * 1024;

  TurnClock& clock_;
  UniqueFd epoll_;
  std::vector<User*> ready_;      // in this turn and not told yet; nullptr: has left meanwhile
  std::vector<User*> to_settle_;  // as above
  std::vector<User*> settling_;   // as above
  std::vector<char> buffer_;
  std::vector<std::shared_ptr<void>> dead_;
};

}  // namespace peeper::daemon
