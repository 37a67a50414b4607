// What a server is to be continued with waits in its heap, in order, until it has run: by crashes,
// by the continues that each start adds, and by code that has no handle_continue.
#include <doctest/doctest.h>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string continues_config(std::string_view more = "") {
  return "[[server]]\nname = \"mine\"\nbehaviour = \"continues\"\nmax_restarts = 1000\n" +
         std::string(more);
}

}  // namespace

TEST_CASE("continue: init's runs before that of handle_start, both before the first message") {
  Instance peeperd{continues_config()};
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "log"}) == "[init start 1]");
  peeperd.stop();
}

TEST_CASE("continue: one that was pending at a crash is not lost to that of the next start") {
  Instance peeperd{continues_config("on_crash = \"retry\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "continue", "segv once"}) == "OK");
  CHECK(talk({"CALL", "mine", "log"}) == "[init start 1 segv once start 2]");
  CHECK(peeperd.fact("mine", "crashes") == 1);
  peeperd.stop();
}

TEST_CASE("continue: one that crashes is dropped, and no other with it") {
  Instance peeperd{continues_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "continue", "segv"}) == "OK");
  CHECK(talk({"CALL", "mine", "log"}) == "[init start 1 start 2]");
  CHECK(peeperd.fact("mine", "crashes") == 1);
  peeperd.stop();
}

TEST_CASE("continue: pending at an upgrade to code that has no handle_continue, it is dropped") {
  Instance peeperd{continues_config()};
  peeperd.start();
  Talk caller = peeperd.talk();
  caller.send({"CALL", "TIMEOUT", "60000", "mine", "when_told", "late"});
  peeperd.await_message("mine");
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", "continues_not"}) == "OK");
  CHECK(caller.receive() == "OK");
  CHECK(talk({"CALL", "mine", "log"}) == "[init start 1]");
  CHECK(peeperd.fact("mine", "crashes") == 0);
  peeperd.await([&] {
    return peeperd.log().find("server 'mine': the continue 'late' is dropped: this code has no "
                              "handle_continue") != std::string::npos;
  });
  // Gone for good.
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", "continues"}) == "OK");
  CHECK(talk({"CALL", "mine", "log"}) == "[init start 1 start 3]");
  peeperd.stop();
}
