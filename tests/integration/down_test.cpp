// Servers that are down: who is told what, who waits, and how they come back.
#include <doctest/doctest.h>

#include <csignal>
#include <filesystem>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string crashing(const std::string& more) {
  return "[[server]]\nname = \"counter\"\nbehaviour = \"counter\"\nstate_size = \"1MiB\"\n"
         "max_restarts = 0\n" + more;
}

}  // namespace

TEST_CASE("a server that is down comes back by itself with its state and its mailbox") {
  Instance peeperd{crashing("retry_delay = \"100ms..1s\"\nwhen_down = \"queue\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  for (int i = 2; i < 6; ++i) {
    CHECK(talk({"CALL", "counter", "segv"}) == "-CRASHED counter: SIGSEGV at 0x0 in 'segv'");
    // Sent while it is down, answered when it is back.
    CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(i));
  }
  CHECK(peeperd.log().find("it is tried again in 800 ms") != std::string::npos);
  CHECK(peeperd.log().find("server counter is back") != std::string::npos);
  peeperd.stop();
}

TEST_CASE("without when_down the callers of a server that is down are told so at once") {
  Instance peeperd{crashing("retry_delay = \"never\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  peeperd.await([&] { return peeperd.text_fact("counter", "state") == "down"; });
  const std::string text = talk({"CALL", "counter", "inc"});
  CHECK(text == "-DOWN counter: more than 0 restarts in 5 s, last: SIGSEGV at 0x0 in 'segv'. Its "
                "state is kept; to start it: peeper start counter");
  CHECK(talk({"CAST", "counter", "inc"}) == text);
  const Ran started = peeperd.peeper({"start", "counter"});
  CHECK(started.out == "OK\n");
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("a code that was mended in its file is found by the next try") {
  Instance peeperd{"[[server]]\nname = \"late\"\nbehaviour = \"./late.so\"\n"
                   "state_size = \"1MiB\"\nmax_restarts = 0\nretry_delay = \"50ms..200ms\"\n"};
  const auto behaviours = std::filesystem::path(program("")).parent_path() / "../lib/peeper";
  std::filesystem::copy_file(behaviours / "init_throws.so", peeperd.directory() / "late.so");
  peeperd.start();
  peeperd.await([&] { return peeperd.text_fact("late", "state") == "down"; });
  CHECK(peeperd.talk()({"CALL", "late", "inc"}).starts_with("-DOWN late"));
  // Replaced in one step, as a package manager would.
  std::filesystem::copy_file(behaviours / "counter.so", peeperd.directory() / "new.so");
  std::filesystem::rename(peeperd.directory() / "new.so", peeperd.directory() / "late.so");
  peeperd.await([&] { return peeperd.text_fact("late", "state") == "running"; });
  CHECK(peeperd.talk()({"CALL", "late", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("when_down = queue: calls wait no longer than their time, casts and the mailbox's room") {
  Instance peeperd{counter_config("counter", "when_down = \"queue\"\nmailbox = \"64KiB\"\n"
                                             "overflow = \"reject\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  CHECK(peeperd.peeper({"stop", "counter"}).out == "OK\n");
  CHECK(talk({"CALL", "TIMEOUT", "20", "counter", "inc"}).starts_with("-TIMEOUT counter"));
  CHECK(talk({"CAST", "counter", "inc"}) == "OK");
  int accepted = 0;
  std::string answer;
  const std::string filler(8'000, 'x');
  while ((answer = talk({"CAST", "counter", "ignored", filler})) == "OK") REQUIRE(++accepted < 100);
  CHECK(answer == "-BUSY counter: its mailbox is full");
  CHECK(accepted > 0);
  CHECK(peeperd.peeper({"start", "counter"}).out == "OK\n");
  // The call too, whose caller no longer waits.
  CHECK(talk({"CALL", "counter", "inc"}) == "4");
  peeperd.stop();
}

TEST_CASE("stop runs terminate's transaction, start goes on with the state, restart does both") {
  Instance peeperd{counter_config() + counter_config("other")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  CHECK(peeperd.peeper({"stop", "counter"}).out == "OK\n");
  CHECK(peeperd.worker("counter") == 0);
  CHECK(peeperd.keeper("counter") == 0);
  CHECK(peeperd.peeper({"stop", "counter"}).out == "OK\n");
  const std::string down =
      "DOWN counter: it was stopped; its state is kept; to start it: peeper start counter";
  CHECK(talk({"CALL", "counter", "inc"}) == "-" + down);
  CHECK(talk({"SYS", "GET_STATE", "counter"}) == "[count 1]");
  CHECK(talk({"CALL", "other", "inc"}) == "1");
  CHECK(peeperd.peeper({"start", "counter"}).out == "OK\n");
  CHECK(talk({"CALL", "counter", "inc"}) == "2");
  const Ran running = peeperd.peeper({"start", "counter"});
  CHECK(running.exit_code == 1);
  CHECK(running.err == "(error) ERR running: counter runs already\n");
  const int worker = peeperd.worker("counter");
  CHECK(peeperd.peeper({"restart", "counter"}).out == "OK\n");
  CHECK(talk({"CALL", "counter", "inc"}) == "3");
  CHECK(peeperd.worker("counter") != worker);
  CHECK(peeperd.fact("counter", "crashes") == 0);
  CHECK(peeperd.peeper({"restart", "nobody"}).err ==
        "(error) NOSERVER there is no server or group 'nobody'; peeper ls shows them\n");
  peeperd.stop();
}

TEST_CASE("a stop kills a worker that hangs, and its keeper may die in the middle") {
  Instance peeperd{counter_config("counter", "shutdown = \"200ms\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  Talk other = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  other.send({"CALL", "counter", "hang", "600000"});
  peeperd.await_message("counter");
  talk.send({"SUPERVISOR", "TERMINATE_CHILD", "counter"});
  peeperd.kill("counter", {false, true, false});
  CHECK(talk.receive() == "OK");
  CHECK(other.receive() == "-CRASHED counter: SIGKILL in 'hang'");
  CHECK(talk({"SUPERVISOR", "RESTART_CHILD", "counter"}) == "OK");
  CHECK(talk({"CALL", "counter", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("children are added, refused, deleted, and found again with their state") {
  Instance peeperd{"[[group]]\nname = \"g\"\n" + counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string toml =
      "[[server]]\nname = \"added\"\nbehaviour = \"counter\"\ngroup = \"g\"\n"
      "state_size = \"1MiB\"\n";
  CHECK(talk({"SUPERVISOR", "START_CHILD", toml}) == "OK");
  CHECK(talk({"CALL", "added", "inc"}) == "1");
  CHECK(talk({"SUPERVISOR", "COUNT_CHILDREN"}) == "[specs 3 active 3 supervisors 1 workers 2]");
  CHECK(talk({"SUPERVISOR", "COUNT_CHILDREN", "g"}) ==
        "[specs 1 active 1 supervisors 0 workers 1]");
  CHECK(talk({"SUPERVISOR", "START_CHILD", toml}) == "-ERR already_started: added runs already");
  CHECK(talk({"SUPERVISOR", "DELETE_CHILD", "added"}) ==
        "-ERR running: added runs; to stop it: peeper stop added");
  CHECK(talk({"SUPERVISOR", "DELETE_CHILD", "g"}).starts_with("-ERR running"));
  CHECK(talk({"SUPERVISOR", "TERMINATE_CHILD", "added"}) == "OK");
  CHECK(talk({"SUPERVISOR", "START_CHILD", toml}).starts_with("-ERR already_present"));
  CHECK(talk({"SUPERVISOR", "DELETE_CHILD", "added"}) == "OK");
  CHECK(talk({"CALL", "added", "inc"}).starts_with("-NOSERVER"));
  CHECK(talk({"SUPERVISOR", "START_CHILD", toml}) == "OK");
  CHECK(talk({"CALL", "added", "inc"}) == "2");
  CHECK(talk({"SUPERVISOR", "START_CHILD", "[[server]]\nname = \"x\"\nbehaviour = \"none\"\n"})
            .starts_with("-BADARG behaviour \"none\" not found"));
  CHECK(talk({"SUPERVISOR", "START_CHILD", "[[server]]\nname = \"x\"\ncolour = 1\n"})
            .starts_with("-BADARG START_CHILD:1:1: key 'behaviour' is missing"));
  CHECK(talk({"SUPERVISOR", "WHICH_CHILDREN", "counter"}).starts_with("-NOSERVER"));
  peeperd.stop();
}

TEST_CASE("on_crash_loop: without drop the message that crashes stays, and no other overtakes it") {
  Instance peeperd{crashing("on_crash_loop = [\"down\"]\nretry_delay = \"never\"\n"
                            "when_down = \"queue\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  CHECK(talk({"CAST", "counter", "segv"}) == "OK");
  CHECK(talk({"CAST", "counter", "inc"}) == "OK");
  for (int i = 0; i < 3; ++i) {
    peeperd.await([&] { return peeperd.text_fact("counter", "state") == "down"; });
    CHECK(peeperd.fact("counter", "mailbox") == 2);
    CHECK(talk({"SUPERVISOR", "RESTART_CHILD", "counter"}) == "OK");
    peeperd.await([&] { return peeperd.fact("counter", "crashes") == i + 2; });
  }
  peeperd.stop();
}

TEST_CASE("on_crash_loop: init begins anew if it is allowed, and what waits is handled after it") {
  Instance peeperd{"[[server]]\nname = \"counter\"\nbehaviour = \"counter\"\nstate = \"5\"\n"
                   "state_size = \"1MiB\"\nmax_restarts = 1\n"
                   "on_crash_loop = [\"drop\", \"init\", \"down\"]\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "6");
  // That it handled a message is progress, so that this crash doesn't count for a loop.
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  talk.send({"CALL", "counter", "segv"});
  talk.send({"CALL", "counter", "segv"});
  talk.send({"CALL", "counter", "inc"});
  CHECK(talk.receive().starts_with("-CRASHED"));
  CHECK(talk.receive().starts_with("-CRASHED"));
  CHECK(talk.receive() == "6");  // of 5, as at the beginning
  CHECK(peeperd.log().find("init begins anew, as on_crash_loop says") != std::string::npos);
  // It is there after all three have died.
  peeperd.kill_all_three("counter");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "7");
  peeperd.stop();
}
