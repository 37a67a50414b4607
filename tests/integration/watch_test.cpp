// `peeper watch`, on a terminal and into a pipe, against what clients did.
#include <doctest/doctest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <csignal>

#include "instance.hpp"
#include "pty.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::vector<std::string> watch(const Instance& peeperd, std::vector<std::string> more = {}) {
  std::vector<std::string> command{program("peeper"), "--socket", peeperd.socket()};
  command.insert(command.end(), more.begin(), more.end());
  command.insert(command.end(), {"watch", "--delay", "20", "counter"});
  return command;
}

}  // namespace

TEST_CASE("watch shows the state, then each change, also those across a crash and a kill -9 of all") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Pty terminal{watch(peeperd), {24, 80}};
  const auto await = [&](std::string_view text) {
    return terminal.await([&](const std::string& all) { return all.find(text) != all.npos; });
  };
  REQUIRE(await("counter: sequence "));
  REQUIRE(await("\ncount: 0\r\n"));
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "1");
  REQUIRE(await("\033[33m~ count: 0 -> 1\033[0m"));
  CHECK(peeperd.talk()({"CALL", "counter", "inc_then_segv"}).starts_with("-CRASHED"));
  CHECK(peeperd.talk()({"CALL", "counter", "add", "5"}) == "6");
  REQUIRE(await("~ count: 1 -> 6"));
  peeperd.kill_all_three("counter");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "7");
  REQUIRE(await("~ count: 6 -> 7"));
  CHECK(terminal.all().find("-> 2") == std::string::npos);  // undone, so never shown
  terminal.signal(SIGTERM);
  CHECK(terminal.wait().has_value());
  peeperd.stop();
}

TEST_CASE("watch as JSON: lines that are documents, it ends with its reader") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Pty terminal{watch(peeperd, {"--json"}), {24, 80}};
  REQUIRE(terminal.await([](const std::string& all) { return all.find('\n') != all.npos; }));
  CHECK(peeperd.talk()({"CALL", "counter", "add", "41"}) == "41");
  REQUIRE(terminal.await([](const std::string& all) { return std::ranges::count(all, '\n') == 2; }));
  const std::size_t first = terminal.all().find('\n');
  const auto state = boost::json::parse(terminal.all().substr(0, first));
  CHECK(state.at("state").at("count") == 0);
  const auto change = boost::json::parse(terminal.all().substr(first + 1));
  CHECK(change.at("server") == "counter");
  CHECK(boost::json::serialize(change.at("changes")) == "[{\"path\":\"count\",\"before\":0,\"after\":41}]");
  terminal.signal(SIGKILL);

  Process piped{{watch(peeperd), {}, "", ""}};
  piped.standard_output.reset();
  piped.standard_error.reset();
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "42");
  const auto status = piped.wait();
  REQUIRE(status.has_value());
  CHECK(WIFEXITED(*status));
  peeperd.stop();
}

TEST_CASE("watch of no server, and without peeperd") {
  Instance peeperd{counter_config("other")};
  Ran ran = run({watch(peeperd), {}, "", ""});
  CHECK(ran.exit_code == 3);
  peeperd.start();
  ran = run({watch(peeperd), {}, "", ""});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err.starts_with("(error) NOSERVER"));
  peeperd.stop();
}
