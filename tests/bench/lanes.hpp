// Connections for the parts that make their own load, with common/load/.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/client/command.hpp"
#include "common/load/load.hpp"
#include "common/load/socket_lane.hpp"
#include "require.hpp"

namespace peeper::bench {

using Lanes = std::vector<std::unique_ptr<load::Lane>>;

inline std::shared_ptr<const load::Request> request_of(
    const Command& command, std::chrono::milliseconds timeout = limits::kCallTimeout) {
  std::string bytes;
  command.append_to(bytes, timeout);
  return std::make_shared<const load::Request>(std::move(bytes));
}

inline void add_lane(Lanes& lanes, const std::string& socket,
                     std::shared_ptr<const load::Request> request) {
  auto lane = load::SocketLane::connect(socket, std::move(request), test::kPatience);
  test::require(lane.has_value(), lane ? "" : lane.error().what);
  lanes.push_back(*std::move(lane));
}

inline load::Crowd gather(Lanes lanes) {
  auto crowd = load::Crowd::gather(std::move(lanes));
  test::require(crowd.has_value(), crowd ? "" : crowd.error().what);
  return *std::move(crowd);
}

}  // namespace peeper::bench
