// `peeper top` without a terminal: keys, what is shown, and short forms of numbers.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/resp/reply.hpp"
#include "common/resp/writer.hpp"
#include "daemon/cli/top_view.hpp"

using namespace peeper;
using namespace peeper::cli;

namespace {

struct Child {
  const char* name;
  const char* group;
  double calls;
  int crashes;
  std::int64_t mailbox = 0;
  std::int64_t p99_us = 1'200;
  std::int64_t uptime_ms = 3'600'000;
};

void add_text(std::string& value, std::string_view key, std::string_view text) {
  resp::append_bulk(value, key);
  resp::append_bulk(value, text);
}
void add_number(std::string& value, std::string_view key, std::int64_t number) {
  resp::append_bulk(value, key);
  resp::append_integer(value, number);
}

resp::Reply children_of(const std::vector<Child>& children, std::string_view group = {}) {
  std::string value;
  resp::append_array(value, children.size() + (group.empty() ? 0 : 1));
  for (const Child& child : children) {
    if (!group.empty() && child.group == group && value.find("group_name") == value.npos) {
      resp::append_map(value, 3);
      add_text(value, "group_name", group);
      add_text(value, "state", "running");
      add_text(value, "group", "");
    }
    resp::append_map(value, 12);
    add_text(value, "server", child.name);
    add_text(value, "state", "running");
    add_text(value, "group", child.group);
    for (const char* key : {"keeper", "worker", "standby"}) add_number(value, key, 4'194'303);
    add_number(value, "uptime_ms", child.uptime_ms);
    add_number(value, "incarnation", 1);
    add_number(value, "crashes", child.crashes);
    add_number(value, "mailbox", child.mailbox);
    resp::append_bulk(value, "calls_per_second");
    resp::append_double(value, child.calls);
    add_number(value, "p99_us", child.p99_us);
  }
  auto read = resp::read_value(value);
  REQUIRE(read.has_value());
  return std::move(read->reply);
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines(1);
  for (const char c : text) {
    if (c == '\n')
      lines.emplace_back();
    else
      lines.back() += c;
  }
  return lines;
}

// The first words of the table's lines; the selected one marked.
std::vector<std::string> names_in(const TopView& view, const Screen& screen = {}) {
  std::vector<std::string> names;
  const auto lines = lines_of(view.draw(screen, "title"));
  for (std::size_t i = 2; i + 1 < lines.size() && !lines[i].empty(); ++i) {
    std::string name = lines[i].substr(0, lines[i].find(' ', lines[i].find_first_not_of(' ')));
    if (lines[i].ends_with("<")) name += "<";
    names.push_back(name);
  }
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("top: keys, also those that terminals send as sequences, and broken ones") {
  const auto keys = [](std::string_view input) {
    std::vector<Key> all;
    while (!input.empty()) all.push_back(take_key(input));
    return all;
  };
  CHECK(keys("\033[A\033OBq") == std::vector{Key::kUp, Key::kDown, Key::kQuit});
  CHECK(keys("\033") == std::vector{Key::kEscape});
  CHECK(keys("\033[") == std::vector{Key::kNone});
  CHECK(keys("\033[1;5Cx") == std::vector{Key::kNone, Key::kCrashes});
  CHECK(keys("\r\003\xff") == std::vector{Key::kEnter, Key::kQuit, Key::kNone});
  CHECK(keys("kjcpmxunt") == std::vector{Key::kUp, Key::kDown, Key::kCalls, Key::kP99,
                                         Key::kMailbox, Key::kCrashes, Key::kUptime, Key::kName,
                                         Key::kTree});
}

TEST_CASE("top: each key sorts by its column, the largest first, names as they are read") {
  TopView view;
  view.set_servers(children_of({{"b", "", 3, 2, 1, 20, 90'000},
                                {"a", "", 2, 1, 3, 10, 70'000},
                                {"c", "", 1, 3, 2, 30, 80'000}}));
  const auto sorted = [&view](Key key) {
    view.press(key);
    std::string all;
    for (const std::string& name : names_in(view)) all += name.substr(0, 1);
    return all;
  };
  CHECK(sorted(Key::kCalls) == "bac");
  CHECK(sorted(Key::kP99) == "cba");
  CHECK(sorted(Key::kMailbox) == "acb");
  CHECK(sorted(Key::kCrashes) == "cba");
  CHECK(sorted(Key::kUptime) == "bca");
  CHECK(sorted(Key::kName) == "abc");
  CHECK(sorted(Key::kTree) == "bac");
}

TEST_CASE("top: a tree at first, then by what a key says, the selection stays with its server") {
  TopView view;
  view.set_servers(children_of({{"a", "", 1, 5}, {"b", "g", 30, 0}, {"c", "g", 2, 9}}, "g"));
  CHECK(names_in(view) == Names{"a<", "[g]", "  b", "  c"});
  view.press(Key::kDown);  // past the group
  CHECK(names_in(view) == Names{"a", "[g]", "  b<", "  c"});
  view.press(Key::kCalls);
  CHECK(names_in(view) == Names{"b<", "c", "a"});
  view.press(Key::kCrashes);
  CHECK(names_in(view) == Names{"c", "a", "b<"});
  view.press(Key::kPageUp);
  CHECK(names_in(view) == Names{"c<", "a", "b"});
  view.set_servers(children_of({{"a", "", 1, 5}, {"b", "", 30, 0}}));
  CHECK(names_in(view) == Names{"a<", "b"});
  CHECK(view.press(Key::kTree));
  CHECK_FALSE(view.press(Key::kQuit));
}

TEST_CASE("top: one is opened and closed, and asked for meanwhile") {
  TopView view;
  view.press(Key::kEnter);
  CHECK(view.opened().empty());
  view.set_servers(children_of({{"a", "", 1, 5}, {"b", "", 1, 5}}));
  view.press(Key::kDown);
  view.press(Key::kEnter);
  CHECK(view.opened() == "b");
  view.set_status(std::move(resp::read_value("%1\r\n$5\r\nstate\r\n$7\r\nrunning\r\n")->reply));
  const auto lines = lines_of(view.draw({}, "title"));
  CHECK(lines.size() == 24);
  CHECK(lines[1] == "b");
  CHECK(lines[2] == "state: running");
  view.press(Key::kDown);  // nothing to scroll
  CHECK(lines_of(view.draw({}, "title"))[2] == "state: running");
  view.press(Key::kEscape);
  CHECK(view.opened().empty());
}

TEST_CASE("top: a screen is never larger than the terminal, and shows the selected one") {
  std::vector<std::string> names;
  for (int i = 0; i < 200; ++i) names.push_back("server-with-a-long-name-" + std::to_string(i));
  std::vector<Child> children;
  for (const std::string& name : names) children.push_back({name.c_str(), "", 1, 1});
  TopView view;
  view.set_servers(children_of(children));
  for (int i = 0; i < 150; ++i) view.press(Key::kDown);
  view.set_trouble("no peeperd\033[2J" + std::string(300, 'x'));
  for (const Screen screen : {Screen{}, Screen{10, 40}, Screen{1, 1}, Screen{200, 300}}) {
    const auto lines = lines_of(view.draw(screen, "title"));
    CHECK(lines.size() <= std::max<std::size_t>(screen.rows, 4));
    CHECK(std::ranges::all_of(lines, [&](const auto& line) {
      return line.size() <= screen.columns && line.find('\033') == line.npos;
    }));
    if (screen.rows < 10) continue;
    CHECK(std::ranges::any_of(lines, [](const auto& line) { return line.ends_with("<"); }));
  }
}

TEST_CASE("top: short forms") {
  CHECK(short_duration(0) == "0s");
  CHECK(short_duration(59'999) == "59s");
  CHECK(short_duration(61'000) == "1m");
  CHECK(short_duration(3'600'000) == "1h");
  CHECK(short_duration(12'000'000) == "3h20m");
  CHECK(short_duration(5 * 86'400'000ULL + 4 * 3'600'000) == "5d4h");
  CHECK(short_rate(0) == "0");
  CHECK(short_rate(0.44) == "0.4");
  CHECK(short_rate(99.97) == "100");
  CHECK(short_rate(9'999.4) == "9999");
  CHECK(short_rate(35'100) == "35.1k");
  CHECK(short_rate(2'100'000) == "2.1M");
  CHECK(short_latency(0) == "-");
  CHECK(short_latency(999) == "999us");
  CHECK(short_latency(1'200) == "1.2ms");
  CHECK(short_latency(35'000) == "35ms");
  CHECK(short_latency(2'500'000) == "2.5s");
}
