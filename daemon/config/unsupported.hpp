// The keys whose feature isn't built yet: a configuration may only leave them at their default. Who
// builds a feature deletes its row. Pure.
#pragma once

#include <span>
#include <string_view>

#include "daemon/config/config.hpp"

namespace peeper::config {

template <class Section>
struct Unsupported {
  std::string_view key;
  bool (*left_at_default)(const Section&);
  std::string_view only;  // what the key may say, as it is written in the file
};

[[nodiscard]] std::span<const Unsupported<ServerSection>> unsupported_in_server();

}  // namespace peeper::config
