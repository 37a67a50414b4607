// Listeners in a real peeper-keeper, with the test in the daemon's part.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include "common/limits.hpp"
#include "keeper_stage.hpp"
#include "listener_parts.hpp"
#include "udp_socket.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace fs = std::filesystem;

constexpr char kNegative[] = "%1\r\n$5\r\ncount\r\n:-2\r\n";

// A sanitizer tells of it and exits.
bool is_segfault(int status) {
#ifdef PEEPER_SANITIZED
  return WIFEXITED(status) && WEXITSTATUS(status) != 0;
#else
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV;
#endif
}

}  // namespace

TEST_CASE("listener: a shared object is told of each change and of the end, in order") {
  KeeperStage stage;
  const fs::path journal = stage.directory() / "journal";
  stage.start({.listeners = {listener("journal"), "log"},
               .environment = {{"PEEPER_JOURNAL", journal.string()}}});
  stage.tell_change(5, 1, kOne, kTwo);
  CHECK(stage.acknowledged());
  stage.tell_change(9, 4, kTwo, kOne);
  CHECK(stage.acknowledged());
  stage.tell_end(9, "shutdown", kOne);
  CHECK(stage.acknowledged());
  CHECK(content_of(journal) ==
        "{\"sequence\":5,\"changes\":1,\"old\":{\"count\":1},\"state\":{\"count\":2}}\n"
        "{\"sequence\":9,\"changes\":4,\"old\":{\"count\":2},\"state\":{\"count\":1}}\n"
        "{\"sequence\":9,\"reason\":\"shutdown\",\"state\":{\"count\":1}}\n");
  CHECK(has(stage.log(), "<6>sequence 5, 1 change: count: 1 -> 2\n"));
  CHECK(has(stage.log(), "<6>sequence 9, 4 changes: count: 2 -> 1\n"));
  CHECK(has(stage.log(), "<6>sequence 9, terminated: shutdown\n"));
  CHECK(stage.mark() == 0);
}

TEST_CASE("listener: a state may nest as deep as a value of a server does") {
  KeeperStage stage;
  const fs::path journal = stage.directory() / "journal";
  stage.start({.listeners = {listener("journal")},
               .environment = {{"PEEPER_JOURNAL", journal.string()}}});
  // As JSON twice as deep: its keys are no text.
  std::string deep;
  std::string json;
  for (std::size_t level = 0; level < limits::kReplyDepth; ++level) {
    deep += "%1\r\n:1\r\n";
    json += "[[1,";
  }
  stage.tell_change(5, 1, kOne, deep + ":2\r\n");
  CHECK(stage.acknowledged());
  CHECK(has(content_of(journal), "\"state\":" + json + "2]]"));
}

TEST_CASE("listener: one that crashes takes the keeper along, says which, and the next recovers") {
  KeeperStage stage;
  for (const bool crashes : {true, false}) {
    CAPTURE(crashes);
    stage.start({.listeners = {"log", listener("wicked")}});
    CHECK(stage.recover().event == launch::Event::kRecovered);
    stage.tell_change(5, 1, kOne, text_value(crashes ? "crash" : "exit"));
    const int status = stage.end();
    CHECK((crashes ? is_segfault(status) : status == 0));
    CHECK(stage.mark() == 2);
  }
  stage.start({.listeners = {"log"}});
  CHECK(stage.recover().event == launch::Event::kRecovered);
  stage.tell_change(6, 1, kOne, kTwo);
  CHECK(stage.acknowledged());
}

TEST_CASE("listener: one that hangs is named in the log, and the keeper ends in time") {
  KeeperStage stage;
  stage.start({.listeners = {listener("wicked")}, .timeout = 300ms});
  stage.tell_change(5, 1, kOne, text_value("hang"));
  const int status = stage.end();
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
  CHECK(stage.mark() == 1);
  CHECK(has(stage.log(), "<3>listener " + listener("wicked") +
                             ": on_state_changed takes more than 300 ms"));
}

TEST_CASE("listener: an exception is logged, and the next event is told") {
  KeeperStage stage;
  stage.start({.listeners = {listener("wicked"), "log"}});
  stage.tell_change(5, 1, kOne, text_value("throw"));
  CHECK(stage.acknowledged());
  stage.tell_change(6, 1, kOne, text_value("throw anything"));
  CHECK(stage.acknowledged());
  stage.tell_change(7, 1, kOne, kTwo);
  CHECK(stage.acknowledged());
  CHECK(has(stage.log(), "<3>listener Wicked: on_state_changed threw at sequence 5: not today\n"));
  CHECK(has(stage.log(), "threw at sequence 6: something that is no std::exception\n"));
  CHECK(has(stage.log(), "<6>sequence 7"));
  CHECK(stage.is_alive());
}

TEST_CASE("listener: a wild write into the segment ends the keeper, and the segment stays") {
  KeeperStage stage;
  stage.start({.listeners = {listener("wicked")}});
  CHECK(stage.recover().event == launch::Event::kRecovered);
  const std::string before = content_of(stage.segment());
  REQUIRE(!before.empty());
  stage.tell_change(5, 1, kOne, text_value("scribble"));
  CHECK(is_segfault(stage.end()));
  CHECK(content_of(stage.segment()) == before);
  stage.start({.listeners = {}});
  CHECK(stage.recover().event == launch::Event::kRecovered);
}

TEST_CASE("listener: a recovery doesn't wait for one that takes its time") {
  KeeperStage stage;
  stage.start({.listeners = {listener("wicked")}});
  stage.tell_change(5, 1, kOne, text_value("hang"));
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  bool is_in_it = false;
  while (!is_in_it && std::chrono::steady_clock::now() < deadline) is_in_it = stage.mark() != 0;
  REQUIRE(is_in_it);
  CHECK(stage.recover().event == launch::Event::kRecovered);
  CHECK_FALSE(stage.acknowledged(0ms));
}

TEST_CASE("listener: one that can't be made is reported, and the others are told") {
  KeeperStage stage;
  stage.start({.listeners = {"/nowhere/none.so", listener("counter"), "log", listener("unborn")}});
  struct Failed {
    std::uint64_t number;
    const char* text;
  };
  for (const Failed expected : {Failed{1, "cannot load it"}, Failed{2, "is no listener"},
                                Failed{4, "its constructor threw: no, thanks"}}) {
    const launch::ToDaemon failed = stage.packet();
    const std::string text{failed.text, failed.text_bytes};
    CAPTURE(text);
    CHECK(failed.event == launch::Event::kListenerFailed);
    CHECK(failed.sequence == expected.number);
    CHECK(has(text, expected.text));
  }
  stage.tell_change(5, 1, kOne, kTwo);
  CHECK(stage.acknowledged());
  CHECK(has(stage.log(), "<6>sequence 5"));
}

TEST_CASE("listener: what is no event ends the keeper, and none of them is blamed") {
  KeeperStage stage;
  for (const bool is_head : {true, false}) {
    CAPTURE(is_head);
    stage.start({.listeners = {"log"}});
    if (is_head)
      stage.send_raw(std::string(sizeof(launch::ToListeners), '\xff'));
    else
      stage.tell_change(5, 1, "nonsense", kTwo);
    const int status = stage.end();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT);
    CHECK(stage.mark() == 0);
    CHECK_FALSE(stage.acknowledged(0ms));
    CHECK(has(stage.log(), "<3>its listeners can't be told any more: "));
  }
}

TEST_CASE("listener: a stream that the daemon leaves is at its end, and that is all") {
  KeeperStage stage;
  stage.start({.listeners = {"log"}});
  stage.tell_change(5, 1, kOne, kTwo);
  stage.hang_up();
  CHECK(stage.recover().event == launch::Event::kRecovered);
  stage.ask_to_stop();
  CHECK(stage.end() == 0);
  CHECK_FALSE(has(stage.log(), "<3>"));
}

TEST_CASE("listener: what was sent before a stop is told before the keeper ends") {
  KeeperStage stage;
  const fs::path journal = stage.directory() / "journal";
  stage.start({.listeners = {listener("wicked"), listener("journal")},
               .environment = {{"PEEPER_JOURNAL", journal.string()}}});
  stage.tell_change(5, 1, kOne, text_value("slow"));
  stage.tell_end(6, "normal", kTwo);
  stage.ask_to_stop();
  CHECK(stage.end() == 0);
  CHECK(has(content_of(journal), "\"reason\":\"normal\""));
}

TEST_CASE("listener exec: a program gets each event as JSON, and is waited for") {
  KeeperStage stage;
  const fs::path heard = stage.directory() / "heard";
  const fs::path program =
      make_program(stage.directory() / "hear", "sleep 0.1; cat >> " + heard.string() + "; exit 3");
  stage.start({.listeners = {"exec:" + program.string()}});
  stage.tell_change(5, 2, kOne, kTwo);
  CHECK(stage.acknowledged());
  stage.tell_end(5, "it's \"over\"", kTwo);
  CHECK(stage.acknowledged());
  CHECK(content_of(heard) ==
        "{\"event\":\"changed\",\"server\":\"counter\",\"sequence\":5,\"changes\":2,"
        "\"old\":{\"count\":1},\"state\":{\"count\":2}}\n"
        "{\"event\":\"terminated\",\"server\":\"counter\",\"sequence\":5,"
        "\"reason\":\"it's \\\"over\\\"\",\"state\":{\"count\":2}}\n");
  CHECK(has(stage.log(), "<3>listener exec:" + program.string() + ": it ended with status 3\n"));
}

TEST_CASE("listener exec: one that reads nothing and never ends is killed with its children") {
  KeeperStage stage;
  const fs::path pid = stage.directory() / "pid";
  const fs::path program = make_program(stage.directory() / "sleeper",
                                        "sleep 1000 & echo $! > " + pid.string() + "; wait");
  stage.start({.listeners = {"exec:" + program.string(), "log"}, .timeout = 500ms});
  const std::string large(1 << 20, 'x');  // more than a pipe holds
  stage.tell_change(5, 1, kOne, text_value(large));
  CHECK(stage.acknowledged());
  CHECK(has(stage.log(), "it takes more than 500 ms; killing it\n"));
  CHECK(has(stage.log(), "<6>sequence 5"));
  int child = 0;
  std::ifstream{pid} >> child;
  REQUIRE(child > 0);
  CHECK(Watch{child}.gone());
  CHECK(stage.is_alive());
}

TEST_CASE("listener exec: a program that isn't there is logged, and the others are told") {
  KeeperStage stage;
  stage.start({.listeners = {"exec:/nowhere/none", "log"}});
  stage.tell_change(5, 1, kOne, kTwo);
  CHECK(stage.acknowledged());
  CHECK(has(stage.log(), "cannot start /nowhere/none: No such file or directory\n"));
  CHECK(has(stage.log(), "<6>sequence 5"));
}

TEST_CASE("listener statsd: numbers that changed are gauges, by UDP") {
  const UdpSocket statsd;
  KeeperStage stage;
  stage.start({.listeners = {"statsd:" + statsd.address()}});
  stage.tell_change(5, 3, kOne, kNegative);
  CHECK(stage.acknowledged());
  CHECK(statsd.receive() ==
        "peeper.counter.changes:3|c\npeeper.counter.count:0|g\n"
        "peeper.counter.count:-2|g");
  stage.tell_end(5, "normal", kTwo);
  CHECK(statsd.receive() == "peeper.counter.terminations:1|c");
}

TEST_CASE("listener statsd: a host is found by its name, at whichever of its addresses it is") {
  const UdpSocket statsd;
  const std::string port = statsd.address().substr(statsd.address().find(':'));
  KeeperStage stage;
  stage.start({.listeners = {"statsd:localhost" + port}});
  // That nobody is at the first of them may be known some events later only.
  for (std::uint64_t sequence = 5; sequence < 15; ++sequence) {
    stage.tell_change(sequence, 3, kOne, kTwo);
    CHECK(stage.acknowledged());
  }
  CHECK(statsd.receive() == "peeper.counter.changes:3|c\npeeper.counter.count:2|g");
}
