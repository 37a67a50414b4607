// What a configuration that is read again changes in the running one. Pure.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.hpp"

namespace peeper::daemon {

struct Changes {
  // By name. What has moved to another group, or counts there for something else, is in both of the
  // first two. The order is that of starting; what ends, ends in reverse.
  std::vector<std::string> end;           // servers
  std::vector<std::string> start;         // servers
  std::vector<std::string> end_groups;    // the inner ones last
  std::vector<std::string> start_groups;  // the outer ones first
  std::vector<std::string> new_policy;    // groups that differ in what they do with children
  bool new_root_policy = false;
  // What can't change while peeperd runs, a sentence each. Then nothing may change.
  std::vector<std::string> refused;

  [[nodiscard]] bool empty() const {
    return end.empty() && start.empty() && end_groups.empty() && start_groups.empty() &&
           new_policy.empty() && !new_root_policy;
  }
};

[[nodiscard]] Changes changes_between(const config::Config& running, const config::Config& wanted);

}  // namespace peeper::daemon
