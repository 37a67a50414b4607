// What may die or hang in the middle of a code change, with real processes: rows 26 to 33 of the
// table in daemon/README.md. A worker that is held in a callback keeps the change where it is.
#include <signal.h>
#include <sys/wait.h>

#include "code_change.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// One server that can be held, and who waits for it.
struct Held {
  Instance peeperd;
  Gate gate{peeperd};
  Talk waiting;

  explicit Held(int max_restarts, const std::string& more = "")
      : peeperd(mine("carries", max_restarts) + more), waiting((peeperd.start(), peeperd.talk())) {
    waiting.send({"CALL", "TIMEOUT", "60000", "mine", "hold", gate.path(), "x"});
    peeperd.await_message("mine");
  }
  std::string ask(std::initializer_list<std::string_view> command) {
    return peeperd.talk()(command);
  }
};

}  // namespace

TEST_CASE("a worker that hangs when its code is changed is killed, and the new code runs") {
  Held held{0};  // it counts for no intensity
  CHECK(held.ask({"SYS", "CHANGE_CODE", "mine", "carries_newer", "TIMEOUT", "3000"}) == "OK");
  CHECK(held.waiting.receive() == "-CRASHED mine: SIGKILL in 'hold'");
  CHECK(held.peeperd.text_fact("mine", "behaviour") == "carries_newer");
  CHECK(held.ask({"CALL", "mine", "who"}) == "second");
  CHECK(held.ask({"CALL", "mine", "inc"}) == "1");
  held.peeperd.stop();
}

TEST_CASE("a worker that crashes while it hands over has crashed, and the new code runs") {
  Held held{1};
  Talk asker = held.peeperd.talk();
  begin_change(held.peeperd, asker, "carries_newer");
  Watch{held.peeperd.worker("mine")}.kill(SIGSEGV);
  CHECK(asker.receive() == "OK");
  CHECK(held.waiting.receive().starts_with("-CRASHED mine: SIGSEGV"));
  CHECK(held.peeperd.text_fact("mine", "behaviour") == "carries_newer");
  CHECK(held.ask({"CALL", "mine", "who"}) == "second");
  CHECK(held.peeperd.fact("mine", "crashes") == 1);
  CHECK(held.ask({"CALL", "mine", "inc"}) == "1");
  held.peeperd.stop();
}

TEST_CASE("a worker whose crash in a code change is one too many takes the server down") {
  Held held{0};
  Talk asker = held.peeperd.talk();
  begin_change(held.peeperd, asker, "carries_newer");
  Watch{held.peeperd.worker("mine")}.kill(SIGSEGV);
  CHECK(asker.receive().starts_with("-DOWN mine: more than 0 restarts"));
  CHECK(held.waiting.receive().starts_with("-CRASHED mine: SIGSEGV"));
  held.peeperd.await([&] { return held.peeperd.text_fact("mine", "state") == "down"; });
  CHECK(held.peeperd.text_fact("mine", "behaviour") == "carries");
  held.peeperd.stop();
}

TEST_CASE("a keeper killed in the middle of a code change is replaced, and the change goes on") {
  Held held{1};
  Talk asker = held.peeperd.talk();
  begin_change(held.peeperd, asker, "carries_newer");
  const Watch keeper{held.peeperd.keeper("mine")};
  keeper.kill(SIGKILL);
  REQUIRE(keeper.gone());
  held.peeperd.await([&] {
    const int now = held.peeperd.keeper("mine");
    return now != 0 && now != keeper.pid();
  });
  held.gate.open();
  CHECK(held.waiting.receive() == "held");
  CHECK(asker.receive() == "OK");
  CHECK(held.peeperd.fact("mine", "crashes") == 0);
  CHECK(held.ask({"CALL", "mine", "log"}) == "[second: continue x]");
  held.peeperd.stop();
}

TEST_CASE("peeperd that is stopped in the middle of a code change tells who asked for it") {
  Held held{0, "shutdown = \"500ms\"\n"};
  Talk asker = held.peeperd.talk();
  begin_change(held.peeperd, asker, "carries_newer");
  held.peeperd.daemon().signal(SIGTERM);
  CHECK(asker.receive().starts_with("-DOWN mine: "));
  CHECK(held.waiting.receive()[0] == '-');
  const auto status = held.peeperd.daemon().wait();
  CHECK(status == std::optional<int>(0));
  // The old code, with its configuration, goes on.
  held.peeperd.start();
  CHECK(held.ask({"CALL", "mine", "who"}) == "first");
  CHECK(held.ask({"CALL", "mine", "inc"}) == "1");
  held.peeperd.stop();
}

TEST_CASE("new code that can't be launched leaves the old code, which is tried until it can") {
  Instance peeperd{mine("carries", 1000)};
  // Programs of its own, so that one can be taken away.
  const auto programs = peeperd.directory() / "bin";
  std::filesystem::create_directory(programs);
  for (const char* name : {"peeperd", "peeper-keeper", "peeper-worker"})
    std::filesystem::copy_file(program(name), programs / name);
  for (const char* name : {"carries", "carries_newer"}) install(peeperd, name, name);
  peeperd.run_from(programs);
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "inc"}) == "1");
  std::filesystem::rename(programs / "peeper-worker", programs / "away");
  const std::string answer = talk({"SYS", "CHANGE_CODE", "mine", "carries_newer"});
  CHECK(answer.starts_with("-ERR code change failed: "));
  CHECK(answer.ends_with("; the old code goes on"));
  Talk waiting = peeperd.talk();
  waiting.send({"CALL", "TIMEOUT", "60000", "mine", "inc"});
  std::filesystem::rename(programs / "away", programs / "peeper-worker");
  CHECK(waiting.receive() == "2");
  CHECK(peeperd.text_fact("mine", "behaviour") == "carries");
  CHECK(talk({"CALL", "mine", "who"}) == "first");
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", "carries_newer"}) == "OK");
  CHECK(talk({"CALL", "mine", "inc"}) == "3");
  peeperd.stop();
}

TEST_CASE("timers, tokens, open calls, a continue and the dictionary survive a code change") {
  Instance peeperd{mine("carries")};
  peeperd.start();
  const Gate gate{peeperd};
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "ID", "token", "mine", "inc"}) == "1");
  CHECK(talk({"CALL", "mine", "put", "colour", "blue"}) == "OK");
  Talk open = peeperd.talk();
  open.send({"CALL", "TIMEOUT", "60000", "mine", "later"});
  peeperd.await([&] {
    return talk({"CALL", "mine", "get"}) == "OK" && peeperd.fact("mine", "mailbox") == 0;
  });
  CHECK(talk({"CALL", "mine", "after", "20", "ping"}) == "OK");
  // The old code is asked to hand over in a message that has yet to ask for its continue.
  Talk held = peeperd.talk();
  held.send({"CALL", "TIMEOUT", "60000", "mine", "hold", gate.path(), "go on"});
  peeperd.await_message("mine");
  Talk asker = peeperd.talk();
  begin_change(peeperd, asker, "carries_newer");
  gate.open();
  CHECK(held.receive() == "held");
  CHECK(asker.receive() == "OK");

  CHECK(talk({"CALL", "ID", "token", "mine", "inc"}) == "1");  // the first reply again
  CHECK(talk({"CALL", "mine", "inc"}) == "2");
  CHECK(talk({"CALL", "mine", "fetch", "colour"}) == "blue");
  CHECK(talk({"CALL", "mine", "answer", "done"}) == "OK");
  CHECK(open.receive() == "done");
  std::string log;
  peeperd.await([&] {
    log = talk({"CALL", "mine", "log"});
    return log.find("info ping") != log.npos;
  });
  // The continue by the new code; the timer may have been due before.
  CHECK(log.find("second: continue go on") != log.npos);
  CHECK(log.find("first: continue") == log.npos);
  CHECK(log.find("info ping") == log.rfind("info ping"));
  CHECK(log.find("continue go on") == log.rfind("continue go on"));
  peeperd.stop();
}
