// [[group]], and what must hold between groups and servers.
#include <doctest/doctest.h>

#include "daemon/config/load.hpp"

using namespace peeper::config;

namespace {

// "line: text", one a line.
std::string told(const std::string& toml) {
  std::string text;
  for (const Mistake& mistake : parse(toml, "c.toml").mistakes)
    text += std::to_string(mistake.line) + ": " + mistake.text + "\n";
  return text;
}

std::string server(const std::string& name, const std::string& more = "") {
  return "[[server]]\nname = \"" + name + "\"\nbehaviour = \"counter\"\n" + more;
}

std::string group(const std::string& name, const std::string& more = "") {
  return "[[group]]\nname = \"" + name + "\"\n" + more;
}

}  // namespace

TEST_CASE("groups are read, and nest by name") {
  const Loaded loaded =
      parse(group("outer", "strategy = \"rest_for_one\"\nmax_restarts = 7\nmax_seconds = 9\n"
                           "restart = \"transient\"\nauto_shutdown = \"all_significant\"\n") +
                group("inner", "group = \"outer\"\n") + server("a", "group = \"inner\"\n"),
            "c.toml");
  CHECK(loaded.mistakes.empty());
  REQUIRE(loaded.config.groups.size() == 2);
  const GroupSection& outer = loaded.config.groups[0];
  CHECK(outer.strategy == Strategy::kRestForOne);
  CHECK(outer.max_restarts == 7);
  CHECK(outer.max_seconds == std::chrono::seconds{9});
  CHECK(outer.restart == Restart::kTransient);
  CHECK(outer.auto_shutdown == AutoShutdown::kAllSignificant);
  CHECK(loaded.config.groups[1].group == "outer");
  CHECK(loaded.config.servers[0].group == "inner");
  CHECK(outer.place.line < loaded.config.servers[0].place.line);
}

TEST_CASE("a group that there isn't, or that is inside of itself, is refused where it is named") {
  CHECK(told(server("a", "group = \"none\"\n")) ==
        "4: group: expected the name of a [[group]] in this file, found \"none\"\n");
  CHECK(told(group("x", "group = \"y\"\n") + group("y", "group = \"x\"\n")) ==
        "3: group: expected a group that isn't itself inside of \"x\"\n"
        "6: group: expected a group that isn't itself inside of \"y\"\n");
  CHECK(told(group("x", "group = \"x\"\n")) ==
        "3: group: expected a group that isn't itself inside of \"x\"\n");
  CHECK(told(group("x", "colour = 1\n")) == "3: unknown key 'colour' in [[group]]\n");
  CHECK(told("[group]\nname = \"x\"\n") == "1: group: expected [[group]] in two brackets, found a "
                                           "table\n");
}

TEST_CASE("servers and groups share their names") {
  CHECK(told(group("x") + group("x")) == "4: name: \"x\" is already used at line 2\n");
  CHECK(told(group("x") + server("x")) ==
        "4: name: \"x\" is already the name of the group at line 2\n");
}

TEST_CASE("a significant child that means nothing is refused, as in OTP") {
  const std::string any = "auto_shutdown = \"any_significant\"\n";
  CHECK(told("[daemon]\n" + any + server("a", "restart = \"transient\"\nsignificant = true\n"))
            .empty());
  CHECK(told("[daemon]\n" + any + server("a", "significant = true\n")) ==
        "6: significant: expected restart = \"transient\" or \"temporary\" beside it; a permanent "
        "child never ends for good\n");
  CHECK(told(server("a", "restart = \"temporary\"\nsignificant = true\n")) ==
        "5: significant: expected auto_shutdown = \"any_significant\" or \"all_significant\" in "
        "[daemon]; without it nothing follows from a significant child's end\n");
  CHECK(told(group("x") + server("a", "group = \"x\"\nrestart = \"temporary\"\n"
                                      "significant = true\n"))
            .find("in [[group]] \"x\"") != std::string::npos);
  CHECK(told(server("a", "significant = 1\n")) ==
        "4: significant: expected true or false, found the integer 1\n");
}

TEST_CASE("retry_delay is a duration, two of them, or never") {
  CHECK(told(server("a", "retry_delay = \"5m..1s\"\n")) ==
        "4: retry_delay: expected the shorter duration first, as in \"1s..5m\", found "
        "\"5m..1s\"\n");
  CHECK(told(server("a", "retry_delay = \"0s\"\n")) ==
        "4: retry_delay: expected a duration longer than 0, or \"never\", found \"0s\"\n");
  CHECK(told(server("a", "retry_delay = \"soon\"\n")).find("two of them as in \"1s..5m\"") !=
        std::string::npos);
  using namespace std::chrono_literals;
  const RetryDelay delay{1s, 5min};
  CHECK(delay.delay(0) == 1s);
  CHECK(delay.delay(1) == 2s);
  CHECK(delay.delay(8) == 256s);
  CHECK(delay.delay(9) == 5min);
  CHECK(delay.delay(4'000'000'000) == 5min);
}

TEST_CASE("a child for START_CHILD is one server, checked against the running groups") {
  const Config running =
      parse(group("x", "auto_shutdown = \"any_significant\"\n"), "c.toml").config;
  const Loaded good = parse_child(server("a", "group = \"x\"\n"), running);
  CHECK(good.mistakes.empty());
  CHECK(good.config.servers.back().name == "a");
  const auto first = [&](const std::string& toml) {
    return parse_child(toml, running).mistakes.at(0).text;
  };
  CHECK(first("") == "expected one [[server]], found 0");
  CHECK(first(server("a") + server("b")) == "expected one [[server]], found 2");
  CHECK(first("[daemon]\n" + server("a")) == "unknown key 'daemon' in START_CHILD");
  CHECK(first(server("a", "group = \"y\"\n")).find("found \"y\"") != std::string::npos);
}
