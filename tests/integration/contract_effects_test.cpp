// Where callbacks may have effects - replies, messages, timers, the dictionary - and what becomes of
// those that a server has twice.
#include "contract.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string effects_config() {
  return "[[server]]\nname = \"effects\"\nbehaviour = \"effects\"\nmax_restarts = 1000\n";
}

constexpr std::string_view kEffects[] = {"send",    "cast",  "call", "after", "cancel",
                                         "publish", "reply", "put",  "erase"};

}  // namespace

TEST_CASE("effects: format_status may have none, and what GET_STATE answers says so") {
  Instance peeperd{effects_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "GET_STATE", "effects"}) == "[shown 0]");
  CHECK(talk({"CAST", "effects", "put"}) == "OK");  // so that there is something to erase
  for (const std::string_view effect : kEffects) {
    CAPTURE(std::string(effect));
    CHECK(talk({"CALL", "effects", "show", effect}) == "OK");
    CHECK(talk({"SYS", "GET_STATE", "effects"}) ==
          "-ERR format_status threw std::logic_error: format_status may have no effects: it can't "
          "reply, send, publish, set or cancel timers, or write the dictionary");
  }
  // Not even if the callback goes on.
  CHECK(talk({"CALL", "effects", "show", "caught"}) == "OK");
  CHECK(talk({"SYS", "GET_STATE", "effects"}) == "[shown 1]");
  // A message to oneself would have come before this.
  CHECK(talk({"CAST", "effects", "send"}) == "OK");
  peeperd.await([&] { return talk({"CALL", "effects", "get"}) != "0"; });
  CHECK(talk({"CALL", "effects", "get"}) == "1");
  CHECK(talk({"CALL", "effects", "entries"}) == "1");
  CHECK(peeperd.fact("effects", "crashes") == 0);
  peeperd.stop();
}

TEST_CASE("effects: reads_only may have none, its message fails") {
  Instance peeperd{effects_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "effects", "sneak"}) ==
        "-CRASHED effects: std::logic_error: reads_only may have no effects: it can't reply, send, "
        "publish, set or cancel timers, or write the dictionary in 'sneak'");
  CHECK(talk({"CAST", "effects", "send"}) == "OK");
  peeperd.await([&] { return talk({"CALL", "effects", "get"}) != "0"; });
  CHECK(talk({"CALL", "effects", "get"}) == "1");
  peeperd.stop();
}

TEST_CASE("effects: a callback with a const State may have them, and a crash undoes them") {
  Instance peeperd{effects_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CAST", "effects", "crash"}) == "OK");
  CHECK(talk({"CALL", "effects", "entries"}) == "0");
  CHECK(peeperd.fact("effects", "crashes") == 1);
  CHECK(talk({"CAST", "effects", "put"}) == "OK");
  CHECK(talk({"CALL", "effects", "entries"}) == "1");
  CHECK(talk({"CALL", "effects", "read_erase"}) == "OK");
  CHECK(talk({"CALL", "effects", "entries"}) == "0");
  CHECK(talk({"CALL", "effects", "read_send"}) == "OK");
  CHECK(talk({"CAST", "effects", "after"}) == "OK");
  peeperd.await([&] { return talk({"CALL", "effects", "get"}) == "2"; });
  peeperd.stop();
}

TEST_CASE("a second reply to a call reaches nobody, and the server can't tell") {
  Pair pair;
  Talk talk = pair.peeperd.talk();
  CHECK(talk({"CALL", "a", "answer_now", "first", "second"}) == "first");
  CHECK(talk({"CALL", "a", "get"}) == "0");  // and no reply too many
  CHECK(pair.count("a", "second true") == 1);
  // From two later messages.
  talk.send({"CALL", "a", "later_twice"});
  CHECK(pair.call({"get"}) == "0");
  CHECK(pair.call({"answer", "one"}) == "true");
  CHECK(talk.receive() == "one");
  talk.send({"CALL", "a", "later"});
  CHECK(pair.call({"get"}) == "0");
  CHECK(pair.call({"answer", "two"}) == "true");  // to the first of them once more
  CHECK(pair.call({"answer", "three"}) == "true");
  CHECK(talk.receive() == "three");
  // A server that calls gets one answer, too.
  CHECK(pair.call({"ask", "b", "answer_now", "1"}) == "OK");
  pair.await_line("a", "answer 1");
  CHECK(pair.call({"ask", "b", "later_twice"}) == "OK");
  pair.peeperd.await([&] { return pair.call({"answer", "7"}, "b") == "true"; });
  CHECK(pair.call({"answer", "8"}, "b") == "true");
  pair.await_line("a", "answer 7");
  pair.fence_time();
  CHECK(pair.count("a", "answer 8") == 0);
  pair.peeperd.stop();
}

TEST_CASE("contract: a message that is retried runs terminate at each exception, as each is a death") {
  Pair pair{"on_crash = \"retry\"\nretries = 2\n"};
  CHECK(pair.call({"inc"}) == "1");
  CHECK(pair.call({"throw", "boom"}) == "-CRASHED a: std::runtime_error: boom in 'throw'");
  pair.await_line("a", "start 4");
  // Each of the three runs was undone, what terminate changed was kept.
  CHECK(pair.count("a", "terminate std::runtime_error: boom") == 3);
  CHECK(pair.call({"get"}) == "1");
  // The same for what the heap held.
  CHECK(pair.call({"after", "0", "boom"})[0] != '-');
  pair.await_line("a", "start 7");
  CHECK(pair.count("a", "terminate std::runtime_error: boom in an info") == 3);
  CHECK(pair.count("a", "info boom") == 0);
  pair.peeperd.stop();
}
