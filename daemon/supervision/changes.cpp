#include "daemon/supervision/changes.hpp"

#include <algorithm>
#include <set>

namespace peeper::daemon {
namespace {

template <class Section>
const Section* find(const std::vector<Section>& sections, std::string_view name) {
  const auto found = std::ranges::find(sections, name, &Section::name);
  return found == sections.end() ? nullptr : &*found;
}

bool has_same_policy(const config::GroupSection& a, const config::GroupSection& b) {
  return a.strategy == b.strategy && a.max_restarts == b.max_restarts &&
         a.max_seconds == b.max_seconds && a.auto_shutdown == b.auto_shutdown;
}

bool is_same_child(const config::GroupSection& a, const config::GroupSection& b) {
  return a.group == b.group && a.restart == b.restart && a.significant == b.significant;
}

// Groups so that each comes after the one it is in.
std::vector<const config::GroupSection*> outer_first(const config::Config& config) {
  std::vector<const config::GroupSection*> ordered;
  std::set<std::string_view> placed{""};
  for (std::size_t before = 1; before != 0;) {
    before = 0;
    for (const config::GroupSection& group : config.groups)
      if (placed.contains(group.group) && placed.insert(group.name).second) {
        ordered.push_back(&group);
        ++before;
      }
  }
  return ordered;
}

void refuse(const config::DaemonSection& running, const config::DaemonSection& wanted,
            Changes& changes) {
  const auto refuse_if = [&](bool differs, const char* key) {
    if (differs)
      changes.refused.push_back("'" + std::string(key) +
                                "' can't change while peeperd runs: restart peeperd for that, or "
                                "put the former value back");
  };
  refuse_if(running.socket != wanted.socket, "socket");
  refuse_if(running.socket_mode != wanted.socket_mode, "socket_mode");
  refuse_if(running.instance != wanted.instance, "instance");
  refuse_if(running.metrics != wanted.metrics, "metrics");
}

}  // namespace

Changes changes_between(const config::Config& running, const config::Config& wanted) {
  Changes changes;
  refuse(running.daemon, wanted.daemon, changes);
  changes.new_root_policy = running.daemon.strategy != wanted.daemon.strategy ||
                            running.daemon.max_restarts != wanted.daemon.max_restarts ||
                            running.daemon.max_seconds != wanted.daemon.max_seconds ||
                            running.daemon.auto_shutdown != wanted.daemon.auto_shutdown;

  // A group that is made anew takes all that is in it along.
  std::set<std::string_view> anew;
  for (const config::GroupSection* group : outer_first(wanted)) {
    const config::GroupSection* before = find(running.groups, group->name);
    if (before == nullptr || !is_same_child(*before, *group) || anew.contains(group->group)) {
      anew.insert(group->name);
      changes.start_groups.push_back(group->name);
    } else if (!has_same_policy(*before, *group)) {
      changes.new_policy.push_back(group->name);
    }
  }
  for (const config::GroupSection* group : outer_first(running))
    if (anew.contains(group->name) || find(wanted.groups, group->name) == nullptr)
      changes.end_groups.push_back(group->name);

  for (const config::ServerSection& server : wanted.servers) {
    const config::ServerSection* before = find(running.servers, server.name);
    if (before == nullptr || *before != server || anew.contains(server.group))
      changes.start.push_back(server.name);
  }
  for (const config::ServerSection& server : running.servers)
    if (find(wanted.servers, server.name) == nullptr ||
        std::ranges::find(changes.start, server.name) != changes.start.end())
      changes.end.push_back(server.name);
  return changes;
}

}  // namespace peeper::daemon
