// What a command may know of, and do to, the connection it came by.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "daemon/commands/reply_queue.hpp"
#include "daemon/delivery/calls.hpp"
#include "daemon/delivery/subscriptions.hpp"
#include "daemon/server/server.hpp"

namespace peeper::daemon {

class Session {
 public:
  virtual ~Session() = default;

  // The reply to this command, one RESP3 value.
  virtual void reply(std::string_view value) = 0;
  // The same, with a descriptor beside it that stays the caller's. False: nothing was sent, for
  // replies to other commands come first.
  [[nodiscard]] virtual bool reply_with_fd(std::string_view value, int fd) = 0;
  // Room for a reply that comes later.
  [[nodiscard]] virtual ReplyTarget reserve_reply() = 0;
  // Gives back the room last reserved, unused.
  virtual void cancel_reply() = 0;
  [[nodiscard]] virtual std::weak_ptr<RoomWaiter> as_room_waiter() = 0;
  // One RESP3 push, told when it happens and not as the reply to a command.
  virtual void push(std::string_view value) = 0;
  [[nodiscard]] virtual std::weak_ptr<Subscriber> as_subscriber() = 0;

  std::uint64_t id = 0;
  std::uint32_t pid = 0;  // of the process that connected; 0: not known
  std::string name;   // CLIENT SETNAME
  std::string used;   // USE: where verbs go that are no command of ours
  std::size_t channels = 0;  // that it subscribes to
  std::string channel_server;  // whose memory it shares by CHANNEL; empty: nobody's
  std::uint32_t channel = 0;   // its serial
  Protocol protocol = Protocol::kResp2;
};

// "client 7", "client 7 (worker-3)"
inline std::string client_text(const Session& session) {
  std::string text = "client " + std::to_string(session.id);
  if (!session.name.empty()) text += " (" + session.name + ")";
  return text;
}

}  // namespace peeper::daemon
