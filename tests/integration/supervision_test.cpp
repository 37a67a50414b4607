// Strategies, groups, servers that are down and come back, with real processes.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string group(const std::string& name, const std::string& more) {
  return "[[group]]\nname = \"" + name + "\"\n" + more;
}

std::string in_group(const std::string& name) { return "group = \"" + name + "\"\n"; }

// Worker and keeper of each, to see who is still the same.
struct Pids {
  Pids(Instance& peeperd, std::string_view server)
      : worker(peeperd.worker(server)), keeper(peeperd.keeper(server)) {}
  int worker;
  int keeper;
  bool operator==(const Pids&) const = default;
};

void await_other_worker(Instance& peeperd, std::string_view server, int than) {
  peeperd.await([&] {
    return peeperd.worker(server) != 0 && peeperd.worker(server) != than &&
           peeperd.text_fact(server, "state") == "running";
  });
}

int exit_status(Instance& peeperd) {
  const auto status = peeperd.daemon().wait();
  REQUIRE(status.has_value());
  REQUIRE(WIFEXITED(*status));
  return WEXITSTATUS(*status);
}

}  // namespace

TEST_CASE("rest_for_one: a crash restarts what comes after it in its group, states are kept") {
  Instance peeperd{counter_config("before") + group("g", "strategy = \"rest_for_one\"\n") +
                   counter_config("a", in_group("g")) + counter_config("b", in_group("g")) +
                   counter_config("c", in_group("g")) + counter_config("after")};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (const char* name : {"before", "a", "b", "c", "after"})
    CHECK(talk({"CALL", name, "inc"}) == "1");
  const Pids before{peeperd, "before"};
  const Pids a{peeperd, "a"};
  const Pids b{peeperd, "b"};
  const Pids c{peeperd, "c"};
  const Pids after{peeperd, "after"};
  CHECK(talk({"CALL", "b", "segv"}) == "-CRASHED b: SIGSEGV at 0x0 in 'segv'");
  // Their callers only wait.
  for (const char* name : {"before", "a", "b", "c", "after"})
    CHECK(talk({"CALL", name, "inc"}) == "2");
  CHECK(Pids{peeperd, "before"} == before);
  CHECK(Pids{peeperd, "a"} == a);
  CHECK(Pids{peeperd, "after"} == after);
  CHECK(peeperd.worker("b") != b.worker);
  CHECK(peeperd.worker("c") != c.worker);
  CHECK(peeperd.keeper("c") == c.keeper);
  CHECK(peeperd.fact("b", "crashes") == 1);
  CHECK(peeperd.fact("c", "crashes") == 0);
  peeperd.stop();
}

TEST_CASE("one_for_all over all servers: each crash restarts all, in order") {
  Instance peeperd{"[daemon]\nstrategy = \"one_for_all\"\nmax_restarts = 9\n" +
                   counter_config("a") + counter_config("b") + counter_config("c")};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (const char* crashing : {"a", "b", "c"}) {
    const Pids a{peeperd, "a"};
    const Pids b{peeperd, "b"};
    const Pids c{peeperd, "c"};
    peeperd.kill(crashing, {true, false, false});
    await_other_worker(peeperd, "a", a.worker);
    await_other_worker(peeperd, "b", b.worker);
    await_other_worker(peeperd, "c", c.worker);
  }
  for (const char* name : {"a", "b", "c"}) CHECK(peeperd.fact(name, "incarnation") == 4);
  peeperd.stop();
}

TEST_CASE("a sibling that doesn't end, or is killed while it ends, holds nobody up for ever") {
  Instance peeperd{group("g", "strategy = \"one_for_all\"\nmax_restarts = 9\n") +
                   counter_config("a", in_group("g")) +
                   counter_config("b", in_group("g") + "shutdown = \"1s\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  Talk other = peeperd.talk();
  // b is in a message that is longer than its time to end.
  other.send({"CALL", "b", "hang", "600000"});
  peeperd.await_message("b");
  const int b = peeperd.worker("b");
  CHECK(talk({"CALL", "a", "segv"}).starts_with("-CRASHED a"));
  CHECK(other.receive() == "-CRASHED b: SIGKILL in 'hang'");
  await_other_worker(peeperd, "b", b);
  CHECK(talk({"CALL", "a", "inc"}) == "1");

  // Its keeper dies meanwhile, and so does it.
  const int second = peeperd.worker("b");
  other.send({"CALL", "b", "hang", "600000"});
  peeperd.await_message("b");
  CHECK(talk({"CALL", "a", "segv"}).starts_with("-CRASHED a"));
  peeperd.kill("b", {true, true, false});
  CHECK(other.receive() == "-CRASHED b: SIGKILL in 'hang'");
  await_other_worker(peeperd, "b", second);
  CHECK(talk({"CALL", "b", "inc"}) == "1");
  CHECK(talk({"CALL", "a", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("peeperd killed while a strategy restarts servers: the next one has all states") {
  Instance peeperd{group("g", "strategy = \"one_for_all\"\n") +
                   counter_config("a", in_group("g")) +
                   counter_config("b", in_group("g") + "shutdown = \"infinity\"\n"
                                                       "callback_timeout = 0\n")};
  peeperd.start();
  {
    Talk talk = peeperd.talk();
    CHECK(talk({"CALL", "a", "inc"}) == "1");
    CHECK(talk({"CALL", "b", "inc"}) == "1");
    talk.send({"CAST", "b", "hang", "600000"});
    CHECK(talk.receive() == "OK");
    peeperd.await_message("b");
    CHECK(talk({"CALL", "a", "segv"}).starts_with("-CRASHED a"));
    peeperd.await([&] { return peeperd.text_fact("b", "state") == "restarting"; });
    CHECK(peeperd.text_fact("a", "state") == "restarting");
  }
  peeperd.kill_unseen("b");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "a", "inc"}) == "2");
  peeperd.await_message("b");  // it runs again
  peeperd.kill("b", {true, false, false});
  CHECK(peeperd.talk()({"CALL", "b", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("a top level that restarts more often than it may ends peeperd with its own exit code") {
  Instance peeperd{"[daemon]\nstrategy = \"one_for_all\"\nmax_restarts = 1\n" +
                   counter_config("a") + counter_config("b")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "b", "inc"}) == "1");
  CHECK(talk({"CALL", "a", "segv"}).starts_with("-CRASHED a"));
  CHECK(talk({"CALL", "b", "inc"}) == "2");
  CHECK(talk({"CALL", "a", "segv"}).starts_with("-CRASHED a"));
  CHECK(exit_status(peeperd) == 3);
  CHECK(peeperd.log().find("the top level: more than 1 restarts in 5 s") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(peeperd.socket()));
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "b", "inc"}) == "3");
  peeperd.stop();
}

TEST_CASE("a group that gives up is restarted by the one above, and that one in the end gives up") {
  Instance peeperd{"[daemon]\nmax_restarts = 1\n" +
                   group("g", "strategy = \"rest_for_one\"\nmax_restarts = 0\n") +
                   counter_config("a", in_group("g")) + counter_config("b")};
  peeperd.start();
  Talk talk = peeperd.talk();
  const Pids b{peeperd, "b"};
  const int a = peeperd.worker("a");
  CHECK(talk({"CALL", "a", "segv"}).starts_with("-CRASHED a"));
  await_other_worker(peeperd, "a", a);
  CHECK(Pids{peeperd, "b"} == b);
  CHECK(talk({"CALL", "a", "segv"}).starts_with("-CRASHED a"));
  CHECK(exit_status(peeperd) == 3);
}

TEST_CASE("auto_shutdown ends peeperd with the last significant server, with its own exit code") {
  Instance peeperd{"[daemon]\nauto_shutdown = \"all_significant\"\n" +
                   counter_config("a", "restart = \"transient\"\nsignificant = true\n") +
                   counter_config("b", "restart = \"temporary\"\nsignificant = true\n") +
                   counter_config("c")};
  peeperd.start();
  Talk talk = peeperd.talk();
  // A crash of a transient one is no end.
  CHECK(talk({"CALL", "a", "segv"}).starts_with("-CRASHED a"));
  CHECK(talk({"CALL", "a", "inc"}) == "1");
  CHECK(talk({"SYS", "KILL", "a", "worker", "SIGTERM"}) == "OK");
  peeperd.await([&] { return peeperd.text_fact("a", "state") == "down"; });
  CHECK(talk({"CALL", "c", "inc"}) == "1");
  CHECK(talk({"CALL", "b", "segv"}).starts_with("-CRASHED b"));
  CHECK(exit_status(peeperd) == 4);
}

TEST_CASE("a significant server's end shuts its group down, and no other") {
  Instance peeperd{
      group("g", "auto_shutdown = \"any_significant\"\nrestart = \"transient\"\n") +
      counter_config("a", in_group("g") + "restart = \"transient\"\nsignificant = true\n") +
      counter_config("b", in_group("g")) + counter_config("c")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "KILL", "a", "worker", "SIGTERM"}) == "OK");
  peeperd.await([&] { return peeperd.text_fact("b", "state") == "down"; });
  CHECK(talk({"CALL", "b", "inc"}) ==
        "-DOWN b: its group has ended; its state is kept; to start it: peeper start g");
  CHECK(talk({"CALL", "c", "inc"}) == "1");
  CHECK(talk({"SUPERVISOR", "RESTART_CHILD", "b"}) ==
        "-DOWN b: its group is down; to start that: peeper start g");
  // Its last child may still be ending.
  peeperd.await([&] { return talk({"SUPERVISOR", "RESTART_CHILD", "g"}) == "OK"; });
  CHECK(talk({"CALL", "b", "inc"}) == "1");
  CHECK(talk({"CALL", "a", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("over keeper and worker, rest_for_one and one_for_all renew both") {
  Instance peeperd{counter_config("rest", "strategy = \"rest_for_one\"\n") +
                   counter_config("all", "strategy = \"one_for_all\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (const char* name : {"rest", "all"}) {
    CHECK(talk({"CALL", name, "inc"}) == "1");
    const Pids before{peeperd, name};
    peeperd.kill(name, {false, true, false});
    await_other_worker(peeperd, name, before.worker);
    CHECK(talk({"CALL", name, "inc"}) == "2");
    const Pids between{peeperd, name};
    CHECK(talk({"CALL", name, "segv"}) ==
          "-CRASHED " + std::string(name) + ": SIGSEGV at 0x0 in 'segv'");
    CHECK(talk({"CALL", name, "inc"}) == "3");
    CHECK((peeperd.keeper(name) == between.keeper) == (std::string_view(name) == "rest"));
  }
  peeperd.stop();
}

TEST_CASE("a worker that has ended leaves its keeper, unless auto_shutdown says otherwise") {
  Instance peeperd{counter_config("stays", "restart = \"transient\"\n") +
                   counter_config("goes", "restart = \"transient\"\n"
                                          "auto_shutdown = \"any_significant\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (const char* name : {"stays", "goes"}) {
    CHECK(talk({"CALL", name, "inc"}) == "1");
    CHECK(talk({"SYS", "KILL", name, "worker", "SIGTERM"}) == "OK");
    peeperd.await([&] { return peeperd.text_fact(name, "state") == "down"; });
  }
  peeperd.await([&] { return peeperd.keeper("goes") == 0; });
  const int keeper = peeperd.keeper("stays");
  REQUIRE(keeper != 0);
  CHECK(::kill(keeper, SIGKILL) == 0);
  peeperd.await([&] { return peeperd.keeper("stays") != 0 && peeperd.keeper("stays") != keeper; });
  for (const char* name : {"stays", "goes"}) {
    CHECK(talk({"CALL", name, "inc"}).starts_with("-DOWN " + std::string(name) +
                                                  ": its worker has ended"));
    CHECK(talk({"SUPERVISOR", "RESTART_CHILD", name}) == "OK");
    CHECK(talk({"CALL", name, "inc"}) == "2");
  }
  peeperd.stop();
}
