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

using D = DaemonSection;
constexpr Unsupported<DaemonSection> kInDaemon[] = {
    {"strategy", is_default<&D::strategy>, "\"one_for_one\""},
    {"max_restarts", is_default<&D::max_restarts>, "3"},
    {"max_seconds", is_default<&D::max_seconds>, "5"},
};

using S = ServerSection;
constexpr Unsupported<ServerSection> kInServer[] = {
    {"strategy", is_default<&S::strategy>, "\"one_for_one\""},
    {"auto_shutdown", is_default<&S::auto_shutdown>, "\"never\""},
    {"listener", listens_only_to_log, "[] or [\"log\"]"},
};

}  // namespace

std::span<const Unsupported<DaemonSection>> unsupported_in_daemon() { return kInDaemon; }
std::span<const Unsupported<ServerSection>> unsupported_in_server() { return kInServer; }

}  // namespace peeper::config
