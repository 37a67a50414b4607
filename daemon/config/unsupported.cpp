#include "daemon/config/unsupported.hpp"

namespace peeper::config {
namespace {

template <auto kField, class Section>
bool is_default(const Section& section) {
  return section.*kField == Section{}.*kField;
}

bool listens_only_to_log(const ServerSection& server) {
  return server.listener.empty() || is_default<&ServerSection::listener>(server);
}

constexpr Unsupported<ServerSection> kInServer[] = {
    {"listener", listens_only_to_log, "[] or [\"log\"]"},
};

}  // namespace

std::span<const Unsupported<ServerSection>> unsupported_in_server() { return kInServer; }

}  // namespace peeper::config
