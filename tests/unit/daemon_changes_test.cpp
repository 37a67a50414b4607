// What a configuration that is read again changes.
#include <doctest/doctest.h>

#include "daemon/config/load.hpp"
#include "daemon/supervision/changes.hpp"

using namespace peeper;
using namespace peeper::daemon;

namespace {

using Names = std::vector<std::string>;

std::string server(const std::string& name, const std::string& more = "") {
  return "[[server]]\nname = \"" + name + "\"\nbehaviour = \"counter\"\n" + more;
}

std::string group(const std::string& name, const std::string& more = "") {
  return "[[group]]\nname = \"" + name + "\"\n" + more;
}

Changes changes(const std::string& before, const std::string& after) {
  const config::Loaded running = config::parse(before, "c.toml");
  const config::Loaded wanted = config::parse(after, "c.toml");
  REQUIRE(running.mistakes.empty());
  REQUIRE(wanted.mistakes.empty());
  return changes_between(running.config, wanted.config);
}

}  // namespace

TEST_CASE("changes: none, even if lines move") {
  const std::string moved = "\n\n" + server("b") + "# more\n" + server("a");
  CHECK(changes(server("a") + server("b"), moved).empty());
}

TEST_CASE("changes: servers come, go, and are restarted where a key differs") {
  const Changes found = changes(server("a") + server("b") + server("c"),
                                server("a") + server("c", "standby = 2\n") + server("d"));
  CHECK(found.end == Names{"b", "c"});
  CHECK(found.start == Names{"c", "d"});
  CHECK(found.refused.empty());
}

TEST_CASE("changes: a strategy changes in place") {
  const Changes found = changes("[daemon]\nmax_restarts = 1\n" + group("x") + server("a"),
                                group("x", "strategy = \"one_for_all\"\n") + server("a"));
  CHECK(found.new_root_policy);
  CHECK(found.new_policy == Names{"x"});
  CHECK(found.end.empty());
  CHECK(found.start_groups.empty());
}

TEST_CASE("changes: a group that moves takes along what is in it") {
  const std::string in_x = server("a", "group = \"x\"\n") + server("b");
  const Changes found = changes(group("x") + group("y") + in_x,
                                group("x", "group = \"y\"\n") + group("y") + in_x);
  CHECK(found.end_groups == Names{"x"});
  CHECK(found.start_groups == Names{"x"});
  CHECK(found.end == Names{"a"});
  CHECK(found.start == Names{"a"});
}

TEST_CASE("changes: the outer groups start first") {
  const Changes found = changes("", group("z", "group = \"y\"\n") + group("y", "group = \"x\"\n") +
                                        group("x"));
  CHECK(found.start_groups == Names{"x", "y", "z"});
}

TEST_CASE("changes: what can't change while peeperd runs is refused") {
  const Changes found = changes("", "[daemon]\nsocket = \"other.sock\"\ninstance = \"other\"\n");
  REQUIRE(found.refused.size() == 2);
  CHECK(found.refused[0].starts_with("'socket' can't change while peeperd runs"));
}
