#include "daemon/config/groups.hpp"

#include <algorithm>
#include <map>
#include <string>

namespace peeper::config {
namespace {

using Mistakes = std::vector<Mistake>;

GroupSection read_group(const toml::table& table, Mistakes& mistakes) {
  GroupSection group;
  Section section(table, "[[group]]", mistakes);
  section.require("name");
  section.read_text("name", parse_server_name, group.name);
  section.read_text("group", parse_server_name, group.group);
  section.read_word("strategy", group.strategy);
  section.read_count("max_restarts", {0, kMostRestarts}, group.max_restarts);
  section.read_seconds("max_seconds", group.max_seconds);
  section.read_word("auto_shutdown", group.auto_shutdown);
  section.read_word("restart", group.restart);
  section.read_flag("significant", group.significant);
  section.report_unknown_keys();
  group.place = place_of(table.source());
  group.name_place = section.place("name");
  group.group_place = section.place("group");
  group.significant_place = section.place("significant");
  return group;
}

// What server and group have in common, as children.
struct Child {
  const std::string& name;
  const std::string& group;
  bool significant;
  Restart restart;
  Place name_place;
  Place group_place;
  Place significant_place;
};

template <class T>
Child child_of(const T& section) {
  return {section.name,       section.group,       section.significant,
          section.restart,    section.name_place,  section.group_place,
          section.significant_place};
}

void complain(Mistakes& mistakes, Place place, std::string text) {
  mistakes.push_back({place.line, place.column, std::move(text)});
}

// OTP refuses the same two combinations, as bad_combination.
void check_significant(const Child& child, AutoShutdown above, Mistakes& mistakes) {
  if (!child.significant) return;
  if (child.restart == Restart::kPermanent) {
    complain(mistakes, child.significant_place,
             "significant: expected restart = \"transient\" or \"temporary\" beside it; "
             "a permanent child never ends for good");
  }
  if (above == AutoShutdown::kNever) {
    complain(mistakes, child.significant_place,
             "significant: expected auto_shutdown = \"any_significant\" or "
             "\"all_significant\" in " +
                 (child.group.empty() ? "[daemon]"
                                      : "[[group]] " + in_quotes(child.group)) +
                 "; without it nothing follows from a significant child's end");
  }
}

}  // namespace

void read_groups(Section& root, std::vector<GroupSection>& groups, Mistakes& mistakes) {
  const toml::node* node = root.find("group");
  if (node == nullptr) return;
  const toml::array* array = node->as_array();
  if (array == nullptr) {
    return root.mistake(*node, "group",
                        "expected [[group]] in two brackets, found " + kind_of(*node));
  }
  if (array->size() > kMostGroups) {
    return root.mistake(*node, "group",
                        "expected at most " + std::to_string(kMostGroups) + " groups, found " +
                            std::to_string(array->size()));
  }
  for (const toml::node& element : *array) {
    if (const toml::table* table = element.as_table())
      groups.push_back(read_group(*table, mistakes));
    else
      root.mistake_of_type(element, "group", "a table");
  }
}

void check_tree(const Config& config, Mistakes& mistakes) {
  std::map<std::string, const GroupSection*, std::less<>> groups;
  for (const GroupSection& group : config.groups) {
    if (group.name.empty()) continue;
    const auto [same, is_new] = groups.emplace(group.name, &group);
    if (!is_new)
      complain(mistakes, group.name_place,
               "name: " + in_quotes(group.name) + " is already used at line " +
                   std::to_string(same->second->name_place.line));
  }
  for (const ServerSection& server : config.servers) {
    const auto same = groups.find(server.name);
    if (same != groups.end())
      complain(mistakes, server.name_place,
               "name: " + in_quotes(server.name) + " is already the name of the group at line " +
                   std::to_string(same->second->name_place.line));
  }
  const auto check_child = [&](const Child& child) {
    if (child.group.empty())
      return check_significant(child, config.daemon.auto_shutdown, mistakes);
    const auto above = groups.find(child.group);
    if (above == groups.end())
      return complain(mistakes, child.group_place,
                      "group: expected the name of a [[group]] in this file, found " +
                          in_quotes(child.group));
    check_significant(child, above->second->auto_shutdown, mistakes);
  };
  for (const ServerSection& server : config.servers) check_child(child_of(server));
  for (const GroupSection& group : config.groups) {
    check_child(child_of(group));
    // Up from here, at most as many steps as there are groups.
    const GroupSection* above = &group;
    for (std::size_t steps = 0; steps < config.groups.size() && above != nullptr; ++steps) {
      const auto next = groups.find(above->group);
      above = next == groups.end() ? nullptr : next->second;
      if (above != &group) continue;
      complain(mistakes, group.group_place,
               "group: expected a group that isn't itself inside of " + in_quotes(group.name));
      break;
    }
  }
}

}  // namespace peeper::config
