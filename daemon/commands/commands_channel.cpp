// CHANNEL server [bytes]: memory that client and worker share (common/segment/client_layout.hpp).
// It lives as long as the connection, which is how each side learns of the other's end.
#include <bit>
#include <charconv>
#include <utility>

#include "common/segment/client_layout.hpp"
#include "daemon/commands/commands.hpp"
#include "daemon/values/command_text.hpp"

namespace peeper::daemon {
namespace {

// As asked for, rounded up to a power of two; 0: it can't be.
std::uint64_t ring_bytes_in(std::string_view text) {
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  if (error != std::errc() || end != text.data() + text.size()) return 0;
  if (bytes < segment::kLeastClientRing || bytes > segment::kMostClientRing) return 0;
  return std::bit_ceil(bytes);
}

}  // namespace

Outcome Commands::channel(Session& session, Arguments arguments, Instant) {
  const auto fail = [&](std::string_view text) {
    session.reply(error_value(text));
    return Outcome::kDone;
  };
  if (arguments.size() > 3) return fail("BADARG usage: CHANNEL server [bytes]");
  const std::string name{arguments[1]};
  Server* server = servers_.find(name);
  if (server == nullptr) {
    session.reply(no_server(name));
    return Outcome::kDone;
  }
  const std::uint64_t ring_bytes =
      arguments.size() == 3 ? ring_bytes_in(arguments[2]) : segment::kUsualClientRing;
  if (ring_bytes == 0)
    return fail("BADARG CHANNEL: " + quoted(arguments[2]) + " is no size of a ring: bytes, " +
                std::to_string(segment::kLeastClientRing) + " to " +
                std::to_string(segment::kMostClientRing));
  if (session.channel != 0)
    return fail("ERR this connection has a channel to " + session.channel_server +
                " already; open another connection");
  const auto opened = server->open_channel(ring_bytes, session.pid);
  if (!opened) return fail(opened.error().what);
  MapValue map;
  map.number("layout", segment::kLayoutVersion)
      .number("serial", opened->serial)
      .number("ring_bytes", static_cast<std::int64_t>(opened->ring_bytes));
  if (!session.reply_with_fd(map.take(), opened->file)) {
    server->close_channel(opened->serial);
    return fail("ERR CHANNEL comes with a descriptor: wait for the replies to what was asked before");
  }
  session.channel_server = name;
  session.channel = opened->serial;
  return Outcome::kDone;
}

void Commands::close_channel(Session& session) {
  const std::uint32_t serial = std::exchange(session.channel, 0);
  if (serial == 0) return;
  if (Server* server = servers_.find(session.channel_server)) server->close_channel(serial);
  session.channel_server.clear();
}

}  // namespace peeper::daemon
