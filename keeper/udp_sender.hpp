// Sends packets by UDP to the first of some addresses at which somebody seems to listen. That
// nobody does the kernel tells late, if at all: on this machine at once, from afar with a packet
// that follows.
//
// Never blocks. Owner: StatsdListener.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "common/unique_fd.hpp"
#include "keeper/host_lookup.hpp"

namespace peeper::keeper {

class UdpSender {
 public:
  // From here on to these.
  void set(Addresses addresses);
  [[nodiscard]] bool has_addresses() const { return !addresses_.empty(); }
  // Of one event. errno: of a packet that could be sent to none, or of one before that came back
  // (ECONNREFUSED); 0: nothing is known of any trouble.
  int send(const std::vector<std::string>& packets);

 private:
  int send_one(std::string_view packet, bool& has_come_back);
  // The errno that it meets at the present address; 0: none that is known now.
  int send_here(std::string_view packet, bool& has_come_back);
  int connect();

  Addresses addresses_;
  std::size_t present_ = 0;
  UniqueFd socket_;         // connected to that one; none: not yet
  bool came_back_ = false;  // with the last event: something had
};

}  // namespace peeper::keeper
