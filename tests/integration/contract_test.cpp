// The contract's finer points. Each callback, return value and service by itself, with kills before
// and after its commit: contract_call_test.cpp, _info_, _stop_, _context_ and _start_test.cpp.
#include "contract.hpp"

using namespace peeper;
using namespace peeper::test;

TEST_CASE("contract: init runs once, handle_start at every start, and what init continues with") {
  Pair pair;
  pair.await_line("a", "continue init");
  CHECK(pair.count("a", "start 1") == 1);
  pair.kill_worker();
  pair.await_line("a", "start 2");
  CHECK(pair.count("a", "continue init") == 1);
  pair.peeperd.kill_daemon();
  pair.peeperd.start();
  pair.await_line("a", "start 3");
  CHECK(pair.count("a", "continue init") == 1);
  pair.peeperd.stop();
}

TEST_CASE("contract: a continue that crashes its worker is dropped, and the next message runs") {
  Pair pair;
  CHECK(pair.call({"reply_continue", "segv"}) == "1");
  CHECK(pair.call({"inc"}) == "2");
  CHECK(pair.count("a", "continue segv") == 0);
  CHECK(pair.status("a", "last_crash") == "SIGSEGV in 'handle_continue'");
  pair.peeperd.stop();
}

TEST_CASE("contract: a timer whose message crashes the worker is dropped") {
  Pair pair;
  CHECK(pair.call({"after", "0", "boom"})[0] != '-');
  CHECK(pair.call({"after", "0", "next"})[0] != '-');
  pair.await_line("a", "info next");
  CHECK(pair.count("a", "info boom") == 0);
  CHECK(pair.count("a", "terminate std::runtime_error: boom in an info") == 1);
  pair.peeperd.stop();
}

TEST_CASE("contract: a timeout does not come when a message comes first, also from a timer") {
  Pair pair;
  CHECK(pair.call({"reply_timeout", "500"}) == "1");
  CHECK(pair.call({"get"}) == "1");
  pair.fence_time("600");
  CHECK(pair.count("a", "info timeout") == 0);
  CHECK(pair.call({"after", "10", "tick"})[0] != '-');
  CHECK(pair.call({"reply_timeout", "500"}) == "2");
  pair.fence_time("600");
  CHECK(pair.count("a", "info tick") == 1);
  CHECK(pair.count("a", "info timeout") == 0);
  pair.peeperd.stop();
}

TEST_CASE("contract: a cancelled timer tells the time that was left and never comes") {
  Pair pair;
  const std::string timer = pair.call({"after", "50", "never"});
  const std::string left = pair.call({"cancel", timer});
  CHECK(std::stoi(left) <= 50);
  CHECK(pair.call({"cancel", timer}) == "(nil)");
  CHECK(pair.call({"cancel", "12345"}) == "(nil)");
  // Cancelled in a message that is undone, it still comes.
  const std::string other = pair.call({"after", "50", "comes"});
  CHECK(pair.call({"then_segv", "cancel", other})[0] == '-');
  pair.await_line("a", "info comes");
  pair.fence_time();
  CHECK(pair.count("a", "info never") == 0);
  pair.peeperd.stop();
}

TEST_CASE("contract: a call is answered later, from another message and by another incarnation") {
  Pair pair;
  for (const bool crash : {false, true}) {
    Talk waiting = pair.peeperd.talk();
    waiting.send({"CALL", "a", "later"});
    // The same server answers nothing else before it has left that call open.
    CHECK(pair.call({"get"}) == "0");
    if (crash) pair.kill_worker();
    CHECK(pair.call({"then_segv", "answer", "undone"})[0] == '-');
    CHECK(pair.call({"answer", "done"}) == "true");
    CHECK(waiting.receive() == "done");
  }
  CHECK(pair.call({"answer", "x"}) == "-NOBODY waits");
  pair.peeperd.stop();
}

TEST_CASE("contract: a reply to a caller that is gone harms nobody") {
  Pair pair;
  {
    Talk waiting = pair.peeperd.talk();
    waiting.send({"CALL", "a", "later"});
    CHECK(pair.call({"get"}) == "0");
  }
  CHECK(pair.call({"answer", "x"}) == "true");  // nobody can know yet
  {
    Talk waiting = pair.peeperd.talk();
    waiting.send({"CALL", "a", "later"});
    CHECK(pair.call({"get"}) == "0");
  }
  pair.peeperd.kill_daemon();
  pair.peeperd.start();
  CHECK(pair.call({"answer", "x"}) == "false");  // it asked another daemon
  pair.peeperd.stop();
}

TEST_CASE("contract: stop ends the server with terminate, its caller is told, its state stays") {
  Pair pair;
  CHECK(pair.call({"stop_reply", "normal", "bye"}) == "bye");
  pair.await_line("a", "start 2");
  CHECK(pair.count("a", "terminate normal") == 1);
  CHECK(pair.call({"stop", "shutdown"}) == "-DOWN a: stopped: shutdown");
  pair.await_line("a", "start 3");
  CHECK(pair.count("a", "terminate shutdown") == 1);
  CHECK(pair.peeperd.talk()({"CAST", "a", "stop", "broken"}) == "OK");
  pair.await_line("a", "start 4");
  CHECK(pair.count("a", "terminate broken") == 1);
  CHECK(pair.status("a", "last_crash") == "stopped: broken");
  pair.peeperd.stop();
}

TEST_CASE("contract: terminate sees the state before the callback that threw, and is kept") {
  Pair pair;
  CHECK(pair.call({"inc"}) == "1");
  CHECK(pair.call({"throw", "boom"}) == "-CRASHED a: std::runtime_error: boom in 'throw'");
  pair.await_line("a", "start 2");
  CHECK(pair.count("a", "terminate std::runtime_error: boom") == 1);
  CHECK(pair.call({"get"}) == "1");
  CHECK(pair.status("a", "last_crash") == "std::runtime_error: boom in 'throw'");
  // Not after a signal.
  CHECK(pair.call({"then_segv", "inc"})[0] == '-');
  pair.await_line("a", "start 3");
  CHECK(pair.state("a").find("terminate SIGSEGV") == std::string::npos);
  pair.peeperd.stop();
}

TEST_CASE("contract: the dictionary is part of the transaction and survives everything") {
  Pair pair;
  CHECK(pair.call({"put", "colour", "blue"}) == "OK");
  CHECK(pair.call({"then_segv", "put", "colour", "red"})[0] == '-');
  CHECK(pair.call({"then_segv", "drop", "colour"})[0] == '-');
  CHECK(pair.call({"fetch", "colour"}) == "blue");
  pair.peeperd.kill_daemon();
  pair.peeperd.start();
  CHECK(pair.call({"fetch", "colour"}) == "blue");
  CHECK(pair.call({"entries"}) == "1");
  CHECK(pair.call({"drop", "colour"}) == "true");
  CHECK(pair.call({"drop", "colour"}) == "false");
  CHECK(pair.call({"fetch", "colour"}) == "(nil)");
  pair.peeperd.stop();
}

TEST_CASE("contract: format_status decides what GET_STATE shows") {
  Pair pair;
  const std::string state = pair.state("a");
  CHECK(state.find("(hidden)") != std::string::npos);
  CHECK(state.find("swordfish") == std::string::npos);
  pair.peeperd.stop();
}
