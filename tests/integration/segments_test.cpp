// SYS SEGMENTS: what lies in /dev/shm, and what of it goes.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>

#include "common/unique_fd.hpp"
#include "instance.hpp"
#include "require.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

// By server: its map in the answer of `peeper --json segments ...`.
json::object listed(const Instance& peeperd, const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments{"--json", "segments"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  const Ran ran = peeperd.peeper(arguments);
  CAPTURE(ran.err);
  REQUIRE(ran.exit_code == 0);
  json::object by_name;
  const json::value all = json::parse(ran.out);
  for (const json::value& map : all.as_array())
    by_name[map.at("server").as_string()] = map;
  return by_name;
}

std::string state(const json::object& list, std::string_view server) {
  const json::value* map = list.if_contains(server);
  return map == nullptr ? "(not listed)" : std::string(map->at("state").as_string());
}

// Takes the server out of the configuration, and tells peeperd; its segment stays.
void forget_all_but(const Instance& peeperd, const std::string& config) {
  std::ofstream{peeperd.config_file()} << config;
  const Ran reload = peeperd.peeper({"reload"});
  require(reload.exit_code == 0, reload.err);
}

// Holds a segment as its keeper does.
UniqueFd hold(const std::string& path) {
  UniqueFd fd{::open(path.c_str(), O_RDWR | O_CLOEXEC)};
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_len = 1;
  require(fd && ::fcntl(fd.get(), F_OFD_SETLK, &lock) == 0, "cannot lock " + path);
  return fd;
}

}  // namespace

TEST_CASE("segments: only what no server, no process and no other instance needs is removed") {
  Instance peeperd{counter_config("a") + counter_config("a.b") + counter_config("b") +
                   counter_config("held") + counter_config("stale")};
  peeperd.start();
  Instance other{counter_config("stale")};
  other.start();
  other.stop();
  const std::string garbage = peeperd.segment("garbage");
  std::ofstream{garbage} << std::string(1'000'000, 'x');
  const std::string unfinished = peeperd.segment("unfinished");
  std::ofstream{unfinished}.flush();
  CHECK(peeperd.peeper({"call", "a", "inc"}).out == "1\n");
  forget_all_but(peeperd, counter_config("a"));
  const UniqueFd holder = hold(peeperd.segment("held"));

  const json::object before = listed(peeperd);
  CHECK(before.size() == 7);
  CHECK(state(before, "a") == "configured");
  CHECK(before.at("a").at("configured") == json::value(true));
  CHECK(before.at("a").at("held") == json::value(true));
  CHECK(before.at("a").at("segment") == json::value(peeperd.segment("a")));
  CHECK(before.at("a").at("size").as_int64() > before.at("a").at("used").as_int64());
  CHECK(before.at("a").at("age_seconds").as_int64() < 600);
  CHECK(state(before, "a.b") == "stale");
  CHECK(before.at("a.b").at("configured") == json::value(false));
  CHECK(before.at("a.b").at("held") == json::value(false));
  CHECK(state(before, "b") == "stale");
  CHECK(state(before, "stale") == "stale");
  CHECK(state(before, "held") == "held");
  CHECK(state(before, "garbage") == "no_segment");
  CHECK(state(before, "unfinished") == "no_segment");
  CHECK(fs::exists(peeperd.segment("stale")));

  const json::object pruned = listed(peeperd, {"--prune"});
  CHECK(state(pruned, "stale") == "removed");
  CHECK(state(pruned, "a.b") == "removed");
  CHECK(state(pruned, "b") == "removed");
  CHECK(state(pruned, "a") == "configured");
  for (const char* gone : {"stale", "a.b", "b"}) CHECK_FALSE(fs::exists(peeperd.segment(gone)));
  for (const char* kept : {"a", "held", "garbage", "unfinished"})
    CHECK(fs::exists(peeperd.segment(kept)));
  CHECK(fs::exists(other.segment("stale")));
  CHECK(peeperd.log().find("no server 'stale' is configured") != std::string::npos);
  CHECK(peeperd.peeper({"call", "a", "state"}).out == "1\n");
  CHECK(listed(peeperd, {"--prune"}).size() == 4);
  CHECK(peeperd.peeper({"segments"}).out.starts_with("SERVER      "));
  peeperd.stop();
}

TEST_CASE("segments: a server that is stopped, down or added by hand keeps its segment") {
  Instance peeperd{counter_config("stopped")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "stopped", "inc"}) == "1");
  CHECK(talk({"SUPERVISOR", "TERMINATE_CHILD", "stopped"}) == "OK");
  CHECK(talk({"SUPERVISOR", "START_CHILD", counter_config("added")}) == "OK");
  CHECK(talk({"CALL", "added", "inc"}) == "1");
  CHECK(talk({"SUPERVISOR", "TERMINATE_CHILD", "added"}) == "OK");
  CHECK(state(listed(peeperd, {"--prune"}), "stopped") == "configured");
  CHECK(state(listed(peeperd, {"--prune"}), "added") == "configured");
  CHECK(talk({"SUPERVISOR", "RESTART_CHILD", "stopped"}) == "OK");
  CHECK(talk({"CALL", "stopped", "state"}) == "1");
  CHECK(talk({"SUPERVISOR", "RESTART_CHILD", "added"}) == "OK");
  CHECK(talk({"CALL", "added", "state"}) == "1");
  // Added again in the very turn that removes the segment of the former one: a new one.
  CHECK(talk({"SUPERVISOR", "TERMINATE_CHILD", "added"}) == "OK");
  CHECK(talk({"SUPERVISOR", "DELETE_CHILD", "added"}) == "OK");
  talk.send({"SYS", "SEGMENTS", "PRUNE"});
  talk.send({"SUPERVISOR", "START_CHILD", counter_config("added")});
  talk.send({"SYS", "SEGMENTS", "PRUNE"});
  CHECK(talk.receive().find("removed") != std::string::npos);
  CHECK(talk.receive() == "OK");
  CHECK(talk.receive().find("removed") == std::string::npos);
  CHECK(talk({"CALL", "added", "inc"}) == "1");
  CHECK(fs::exists(peeperd.segment("added")));
  CHECK(talk({"SYS", "SEGMENTS", "ALL"}) == "-BADARG usage: SYS SEGMENTS [PRUNE]");
  peeperd.stop();
}

TEST_CASE("segments: a server that a reload is about to add keeps what it finds") {
  const std::string slow = counter_config("slow", "shutdown = \"infinity\"\ncallback_timeout = 0");
  Instance peeperd{slow + counter_config("back")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "back", "inc"}) == "1");
  forget_all_but(peeperd, slow);
  // Its end is waited for before anything is started.
  Talk busy = peeperd.talk();
  busy.send({"CALL", "slow", "hang", "3000"});
  peeperd.await_message("slow");
  std::ofstream{peeperd.config_file()} << counter_config("back");
  talk.send({"SUPERVISOR", "RELOAD"});
  Talk asker = peeperd.talk();
  peeperd.await([&] { return peeperd.text_fact("slow", "state") != "running"; });
  const std::string meanwhile = asker({"SYS", "SEGMENTS", "PRUNE"});
  CAPTURE(meanwhile);
  // Not yet.
  CHECK(asker({"SUPERVISOR", "WHICH_CHILDREN"}).find("server back") == std::string::npos);
  CHECK(meanwhile.find("removed") == std::string::npos);
  CHECK(talk.receive() == "OK");
  CHECK(talk({"CALL", "back", "state"}) == "1");
  peeperd.stop();
}

TEST_CASE("segments: without peeperd nothing is removed, and it is said what to do") {
  Instance peeperd{counter_config()};
  peeperd.start();
  peeperd.stop();
  const Ran ran = peeperd.peeper({"segments", "--prune"});
  CHECK(ran.exit_code == 3);
  CHECK(ran.err.find("start it") != std::string::npos);
  CHECK(fs::exists(peeperd.segment("counter")));
}
