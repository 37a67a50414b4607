// What a callback may do and return, row by row as in the table of worker/README.md: each once
// plainly, once with a crash right before its commit, once with a kill right after.
#include "contract.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

enum class Fence { kNone, kMessages, kTime };

// Committed, `words` leave `line` in the log of `where`, once; rolled back, they don't.
struct Row {
  const char* what;
  std::vector<std::string_view> words;
  std::string_view where;
  std::string_view line;
  Fence fence;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> all{
      {"reply with a timeout", {"reply_timeout", "20"}, "a", "info timeout", Fence::kTime},
      {"reply and continue", {"reply_continue", "x,y"}, "a", "continue x,y", Fence::kTime},
      {"a continue that continues", {"reply_continue", "x,y"}, "a", "continue y", Fence::kTime},
      {"a timer", {"after", "20", "ping", "1"}, "a", "info ping 1", Fence::kTime},
      {"a cast to another server", {"tell", "b", "note", "1"}, "b", "cast note 1", Fence::kMessages},
      {"an info to another server", {"inform", "b", "note"}, "b", "info note", Fence::kMessages},
      {"a call to another server", {"ask", "b", "inc"}, "a", "answer 1", Fence::kTime},
      {"a call to a server that is not there", {"ask", "nobody", "inc"}, "a",
       "answer error NOSERVER there is no server 'nobody'; SUPERVISOR WHICH_CHILDREN lists those "
       "there are",
       Fence::kTime},
      {"a call that times out", {"ask_within", "20", "b", "later"}, "a",
       "answer error TIMEOUT b: no answer in time; the message may still be handled", Fence::kTime},
      {"a message to oneself", {"tell", "a", "note", "1"}, "a", "cast note 1", Fence::kTime},
      {"a call to oneself", {"ask", "a", "inc"}, "a", "answer 1", Fence::kTime},
  };
  return all;
}

void wait_for(Pair& pair, Fence fence) {
  if (fence == Fence::kMessages) pair.fence_messages();
  if (fence == Fence::kTime) pair.fence_time();
}

}  // namespace

TEST_CASE("contract: what a callback asks for happens once") {
  for (const Row& row : rows()) {
    CAPTURE(std::string(row.what));
    Pair pair;
    CHECK(pair.call(row.words)[0] != '-');
    pair.await_line(row.where, std::string(row.line));
    wait_for(pair, row.fence);
    CHECK(pair.count(row.where, row.line) == 1);
    pair.peeperd.stop();
  }
}

TEST_CASE("contract: what a callback asks for never happens if it crashes before its commit") {
  Pair pair;
  for (const Row& row : rows()) {
    CAPTURE(std::string(row.what));
    std::vector<std::string_view> words{"then_segv"};
    words.insert(words.end(), row.words.begin(), row.words.end());
    CHECK(pair.call(words) == "-CRASHED a: SIGSEGV in 'then_segv'");
    wait_for(pair, row.fence);
    CHECK(pair.count(row.where, row.line) == 0);
  }
  CHECK(pair.call({"get"}) == "0");
  CHECK(pair.call({"get"}, "b") == "0");
  pair.peeperd.stop();
}

TEST_CASE("contract: what a callback asks for happens once though its worker is killed after it") {
  for (const Row& row : rows()) {
    CAPTURE(std::string(row.what));
    Pair pair;
    CHECK(pair.call(row.words)[0] != '-');
    pair.kill_worker("a");
    // If the kill hit what the row asks for as it ran, that was dropped: then it never comes.
    wait_for(pair, row.fence);
    const bool was_hit = pair.status("a", "last_crash").find(" in '") != std::string::npos;
    if (was_hit) {
      CHECK(pair.count(row.where, row.line) <= 1);
    } else {
      pair.await_line(row.where, std::string(row.line));
      CHECK(pair.count(row.where, row.line) == 1);
    }
    pair.peeperd.stop();
  }
}

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
  CHECK(pair.call({"reply_timeout", "30"}) == "1");
  CHECK(pair.call({"get"}) == "1");
  pair.fence_time();
  CHECK(pair.count("a", "info timeout") == 0);
  CHECK(pair.call({"after", "10", "tick"})[0] != '-');
  CHECK(pair.call({"reply_timeout", "30"}) == "2");
  pair.fence_time();
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

TEST_CASE("contract: timers of 300 years and messages to a server that is not there do no harm") {
  Pair pair;
  CHECK(pair.call({"after", "9223372036854775", "far"})[0] != '-');
  CHECK(pair.call({"tell", "nobody", "note"}) == "OK");
  CHECK(pair.call({"inform", "nobody", "note"}) == "OK");
  CHECK(pair.call({"ask_within", "9223372036854775", "b", "inc"}) == "OK");
  pair.await_line("a", "answer 1");
  const std::string large(600'000, 'x');
  CHECK(pair.call({"tell", "b", large}).starts_with(
      "-CRASHED a: std::length_error: an outgoing message may have at most 524288 bytes"));
  CHECK(pair.call({"inc"}) == "1");
  pair.peeperd.stop();
}
