// [[group]], and what must hold between groups and servers: names, who is in which group, what is
// significant to whom. Internal to load.cpp.
#pragma once

#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/config/load.hpp"
#include "daemon/config/section.hpp"

namespace peeper::config {

void read_groups(Section& root, std::vector<GroupSection>& groups, std::vector<Mistake>& mistakes);

void check_tree(const Config& config, std::vector<Mistake>& mistakes);

}  // namespace peeper::config
