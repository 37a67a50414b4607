// Shall a server's worker be suspended, and who waits until it is?
#pragma once

#include <cstdint>
#include <vector>

#include "common/segment/layout.hpp"

namespace peeper::daemon {

struct Suspension {
  std::uint32_t number = 0;  // MailboxEnds::suspension
  std::vector<std::uint64_t> askers;  // requests among the server's calls

  [[nodiscard]] bool is_wanted() const { return segment::is_suspension(number); }
  void change() { ++number; }
};

}  // namespace peeper::daemon
