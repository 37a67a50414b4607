// Who can be sent to, as a sender sees it: the servers, and whoever subscribes to channels.
//
// Thread: the loop's. Nothing blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "daemon/delivery/rings.hpp"
#include "daemon/delivery/router.hpp"
#include "daemon/output/output_ring.hpp"

namespace peeper::daemon {

// Somebody whose message found the mailbox full.
class RoomWaiter {
 public:
  virtual ~RoomWaiter() = default;
  // There may be room, or the server is down: send again, and wait_for_room() again if need be.
  virtual void room_available() = 0;
};

// A server, to other servers.
class Receiver {
 public:
  virtual ~Receiver() = default;

  [[nodiscard]] virtual const std::string& name() const = 0;
  // A message of another server's for its mailbox.
  [[nodiscard]] virtual Answer take(const Message& message) = 0;
  // After Answer::kFull and kWait. In order of asking.
  virtual void wait_for_room(std::weak_ptr<RoomWaiter> waiter) = 0;
  // "DOWN counter: …", "TOOBIG counter: …"
  [[nodiscard]] virtual std::string down_text() const = 0;
  [[nodiscard]] virtual std::string too_big_text() const = 0;
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  // nullptr: there is none.
  [[nodiscard]] virtual Receiver* find(std::string_view name) const = 0;
  [[nodiscard]] virtual Receiver* find(std::uint64_t uid) const = 0;
  // A server whose uid isn't known yet, for it is only starting. nullptr: all are known that will
  // be. It offers room as soon as that has changed.
  [[nodiscard]] virtual Receiver* find_unattached() const = 0;
  // `value`: one RESP3 value.
  virtual void publish(std::string_view server, std::string_view channel,
                       std::string_view value) = 0;
  // On one of peeperd's own channels (server_channels.hpp); `value` as above.
  virtual void tell(std::string_view channel, std::string_view value) = 0;
  // A line that a worker of it wrote, to who follows those.
  virtual void show(const ServersLine& line) = 0;
};

}  // namespace peeper::daemon
