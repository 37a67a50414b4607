// The configuration, read again: SIGHUP and `peeper reload`.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// In one step, as editors do.
void write(const Instance& peeperd, const std::string& config) {
  const auto fresh = peeperd.directory() / "fresh.toml";
  std::ofstream{fresh} << config;
  std::filesystem::rename(fresh, peeperd.config_file());
}

void await_log(const Instance& peeperd, const std::string& text) {
  peeperd.await([&] { return peeperd.log().find(text) != std::string::npos; });
}

}  // namespace

TEST_CASE("reload: only what differs is ended, started, or both, the states are kept") {
  Instance peeperd{counter_config("same") + counter_config("changed") + counter_config("gone")};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (const char* name : {"same", "changed", "gone"}) CHECK(talk({"CALL", name, "inc"}) == "1");
  const int same = peeperd.worker("same");
  const int keeper = peeperd.keeper("same");
  const int changed = peeperd.worker("changed");
  write(peeperd, "# moved\n" + counter_config("new") + counter_config("same") +
                     counter_config("changed", "standby = 2\n"));
  CHECK(peeperd.peeper({"reload"}).out == "OK\n");
  CHECK(peeperd.worker("same") == same);
  CHECK(peeperd.keeper("same") == keeper);
  CHECK(talk({"CALL", "same", "inc"}) == "2");
  CHECK(talk({"CALL", "changed", "inc"}) == "2");
  CHECK(peeperd.worker("changed") != changed);
  CHECK(talk({"CALL", "new", "inc"}) == "1");
  CHECK(talk({"CALL", "gone", "inc"}).starts_with("-NOSERVER"));
  // Its state waits in its segment.
  write(peeperd, counter_config("gone"));
  peeperd.daemon().signal(SIGHUP);
  peeperd.await([&] { return peeperd.peeper({"call", "gone", "inc"}).out == "2\n"; });
  CHECK(talk({"CALL", "same", "inc"}).starts_with("-NOSERVER"));
  peeperd.stop();
}

TEST_CASE("reload: a broken file changes nothing, and each mistake is told") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const int worker = peeperd.worker("counter");
  write(peeperd, counter_config("counter", "standby = 99\n") + "colour = 1\n");
  const Ran ran = peeperd.peeper({"reload"});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err.starts_with("(error) BADARG " + peeperd.config_file() + ":6:11: standby: "));
  CHECK(ran.err.find("unknown key 'colour'") != std::string::npos);
  CHECK(ran.err.ends_with("nothing was changed\n"));
  CHECK(peeperd.worker("counter") == worker);
  peeperd.daemon().signal(SIGHUP);
  await_log(peeperd, "read again and refused");
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  // What can't change while it runs is a mistake as well.
  write(peeperd, "[daemon]\nsocket_mode = \"0660\"\n" + counter_config("other"));
  CHECK(peeperd.peeper({"reload"}).err.find("'socket_mode' can't change") != std::string::npos);
  CHECK(peeperd.worker("counter") == worker);
  std::filesystem::remove(peeperd.config_file());
  CHECK(peeperd.peeper({"reload"}).err.find("cannot read it") != std::string::npos);
  CHECK(talk({"CALL", "counter", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("reload: groups come and go, strategies change in place, use and log_level follow") {
  Instance peeperd{counter_config("a") + counter_config("b")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "a", "inc"}) == "1");
  write(peeperd, "[daemon]\nuse = \"a\"\n[[group]]\nname = \"g\"\n" +
                     counter_config("a", "group = \"g\"\n") +
                     counter_config("b", "group = \"g\"\n"));
  CHECK(peeperd.peeper({"reload"}).out == "OK\n");
  CHECK(peeperd.text_fact("a", "group") == "g");
  CHECK(talk({"inc"}) == "2");
  const int b = peeperd.worker("b");
  write(peeperd, "[[group]]\nname = \"g\"\nstrategy = \"one_for_all\"\n" +
                     counter_config("a", "group = \"g\"\n") +
                     counter_config("b", "group = \"g\"\n"));
  CHECK(peeperd.peeper({"reload"}).out == "OK\n");
  CHECK(peeperd.worker("b") == b);
  CHECK(talk({"CALL", "a", "segv"}).starts_with("-CRASHED"));
  peeperd.await([&] { return peeperd.worker("b") != 0 && peeperd.worker("b") != b; });
  write(peeperd, counter_config("a"));
  CHECK(peeperd.peeper({"reload"}).out == "OK\n");
  CHECK(talk({"CALL", "a", "inc"}) == "3");
  CHECK(talk({"SUPERVISOR", "WHICH_CHILDREN", "g"}).starts_with("-NOSERVER"));
  peeperd.stop();
}

TEST_CASE("reload: what was stopped or added by hand stays so, and a followed code change too") {
  Instance peeperd{counter_config("a") + counter_config("b")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SUPERVISOR", "START_CHILD", counter_config("added")}) == "OK");
  CHECK(talk({"SUPERVISOR", "TERMINATE_CHILD", "b"}) == "OK");
  const int added = peeperd.worker("added");
  write(peeperd, counter_config("a") + counter_config("b", "standby = 0\n"));
  CHECK(peeperd.peeper({"reload"}).out == "OK\n");
  CHECK(peeperd.worker("added") == added);
  CHECK(peeperd.text_fact("b", "state") == "down");
  CHECK(talk({"SUPERVISOR", "RESTART_CHILD", "b"}) == "OK");
  CHECK(talk({"CALL", "b", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("reload: processes that die in the middle of it, and peeperd itself") {
  const std::string patient = "shutdown = \"infinity\"\ncallback_timeout = 0\n";
  Instance peeperd{counter_config("a", patient)};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "a", "inc"}) == "1");
  CHECK(talk({"CAST", "a", "hang", "600000"}) == "OK");
  peeperd.await_message("a");
  write(peeperd, counter_config("a", patient + "standby = 0\n"));
  Talk reloading = peeperd.talk();
  reloading.send({"SUPERVISOR", "RELOAD"});
  // It waits for the worker.
  peeperd.await([&] { return peeperd.peeper({"reload"}).err.find("BUSY") != std::string::npos; });
  peeperd.kill("a", {true, true, false});
  CHECK(reloading.receive() == "OK");
  CHECK(talk({"CALL", "a", "inc"}) == "2");

  CHECK(talk({"CAST", "a", "hang", "600000"}) == "OK");
  peeperd.await_message("a");
  write(peeperd, counter_config("a", patient + "standby = 1\n"));
  reloading.send({"SUPERVISOR", "RELOAD"});
  peeperd.await([&] { return peeperd.peeper({"reload"}).err.find("BUSY") != std::string::npos; });
  peeperd.kill_unseen("a");
  peeperd.start();
  peeperd.await_message("a");  // it runs again
  peeperd.kill("a", {true, false, false});
  CHECK(peeperd.talk()({"CALL", "a", "inc"}) == "3");
  peeperd.stop();
}
