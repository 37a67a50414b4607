// What a callback may ask for that can't be right, with the answers that worker/README.md gives.
#include <signal.h>

#include "contract.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// b has ended, and is not started again.
void take_down(Pair& pair) {
  CHECK(pair.call({"stop_reply", "normal", "bye"}, "b") == "bye");
  pair.peeperd.await([&] { return pair.peeperd.text_fact("b", "state") == "down"; });
}

constexpr const char* kTransient = "restart = \"transient\"\n";

}  // namespace

TEST_CASE("contract: a timer of 300 years is set, can be cancelled, and is not due") {
  Pair pair;
  // 300 years have more nanoseconds than 63 bits hold; the others are as many as 63 bits do.
  for (const char* delay : {"9467000000000", "9223372036854", "9223372036854775"}) {
    const std::string timer = pair.call({"after", delay, "far"});
    REQUIRE(timer[0] != '-');
    CHECK(pair.call({"after", "20", "near"})[0] != '-');
    pair.await_line("a", "info near");
    pair.fence_time();
    CHECK(pair.count("a", "info far") == 0);
    // Not even after a death: the clock has gone on, the timer is where it was.
    pair.kill_worker();
    CHECK(pair.call({"after", "20", "nearer"})[0] != '-');
    pair.await_line("a", "info nearer");
    CHECK(pair.count("a", "info far") == 0);
    CHECK(std::stoll(pair.call({"cancel", timer})) > 9'000'000'000'000);
    CHECK(pair.call({"forget"}) == "OK");
  }
  CHECK(pair.call({"ask_within", "9467000000000", "b", "inc"}) == "OK");
  pair.await_line("a", "answer 1");
  pair.fence_time();
  CHECK(pair.count("a", "answer 1") == 1);
  pair.peeperd.stop();
}

TEST_CASE("contract: casts and infos to a server that is down or missing are dropped and counted") {
  Pair pair{"", kTransient};
  CHECK(pair.call({"tell", "nobody", "note"}) == "OK");
  CHECK(pair.call({"inform", "nobody", "note"}) == "OK");
  pair.peeperd.await([&] { return pair.status("a", "outgoing_dropped") == "2"; });
  take_down(pair);
  CHECK(pair.call({"tell", "b", "note"}) == "OK");
  CHECK(pair.call({"inform", "b", "note"}) == "OK");
  pair.peeperd.await([&] { return pair.status("a", "outgoing_dropped") == "4"; });
  CHECK(pair.status("a", "outgoing_waiting") == "0");
  CHECK(pair.call({"inc"}) == "1");
  pair.peeperd.stop();
  // Nor are they there when the server is again.
  pair.peeperd.start();
  CHECK(pair.call({"tell", "b", "note", "2"}) == "OK");
  pair.await_line("b", "cast note 2");
  CHECK(pair.count("b", "cast note") == 0);
  CHECK(pair.count("b", "info note") == 0);
  pair.peeperd.stop();
}

TEST_CASE("contract: a call to a server that is down is answered DOWN, once") {
  Pair pair{"", kTransient};
  take_down(pair);
  CHECK(pair.call({"ask", "b", "inc"}) == "OK");
  std::string log;
  pair.peeperd.await([&] {
    log = pair.state("a");
    return log.find("answer error DOWN b: ") != log.npos;
  });
  CHECK(pair.call({"after", "20", "later"})[0] != '-');
  pair.await_line("a", "info later");
  log = pair.state("a");
  CHECK(log.find("answer") == log.rfind("answer"));
  CHECK(pair.call({"inc"}) == "1");
  pair.peeperd.stop();
}

TEST_CASE("contract: a message too large for the outbox fails its callback") {
  Pair pair;
  const std::string large(600'000, 'x');
  for (const char* how : {"tell", "inform", "ask", "publish"})
    CHECK(pair.call({how, "b", large}).starts_with(
        "-CRASHED a: std::length_error: an outgoing message may have at most 524288 bytes"));
  CHECK(pair.call({"inc"}) == "1");
  pair.peeperd.stop();
}

TEST_CASE("contract: a callback that sends more than its receivers take waits, and then fails") {
  Pair pair{"mailbox = \"64KiB\"\n"};
  const Watch receiver{pair.peeperd.worker("b")};
  receiver.kill(SIGSTOP);
  CHECK(pair.call({"stream", "b", "10000"}) == "OK");
  pair.peeperd.await([&] {
    return pair.status("a", "last_crash").starts_with("std::runtime_error: the outbox is full: ");
  });
  CHECK(pair.call({"inc"}) == "1");
  receiver.kill(SIGCONT);
  // What was sent before arrives, in order; the burst that failed was undone.
  pair.fence_messages();
  CHECK(pair.call({"received"}, "b").ends_with(" 0]"));
  pair.peeperd.stop();
}
