// The clients' own channels of one server that this process has mapped: the worker, and the keeper.
//
// Which there are is the daemon's to say, in the segment (ClientEntry::serial); it passes the files
// beside. Thread: its owner's. Nothing blocks.
#pragma once

#include <cstdint>
#include <vector>

#include "common/segment/client_channel.hpp"
#include "common/unique_fd.hpp"

namespace peeper::segment {

class ClientChannels {
 public:
  // Maps it, unless it is closed already. False: it could not be mapped.
  bool add(const Control& control, const OpenedClient& opened, UniqueFd file);
  void drop_closed(const Control& control);

  // Nobody else can write the entries: where the last commit stands, also to the clients.
  void take_up(Control& control);

  // nullptr: it isn't open, or not mapped here.
  [[nodiscard]] ClientChannel* find(std::uint32_t serial);

  struct Mapped {
    std::uint32_t index;
    ClientChannel channel;
  };
  [[nodiscard]] std::vector<Mapped>& all() { return mapped_; }

 private:
  std::vector<Mapped> mapped_;
};

}  // namespace peeper::segment
