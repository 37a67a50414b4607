// One value that a server published, and how it and the subscription look as RESP.
#pragma once

#include <optional>
#include <span>
#include <string>

#include "common/resp/reply.hpp"

namespace peeper {

struct Publication {
  std::string channel;
  resp::Reply value;
  // The connection was lost before this one: others may have been published and not come here.
  bool missed = false;
};

namespace client_detail {

// SUBSCRIBE with the channels, and PING: its PONG tells that the subscription stands, whatever
// pushes it is confirmed by.
[[nodiscard]] std::string subscribe_command(std::span<const std::string> channels);
[[nodiscard]] bool is_pong(const resp::Reply& reply);
// Of a push `message channel value`; none of other pushes.
[[nodiscard]] std::optional<Publication> publication_in(resp::Reply&& push);

}  // namespace client_detail
}  // namespace peeper
