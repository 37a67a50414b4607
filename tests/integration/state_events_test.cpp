// SUBSCRIBE SERVER: what becomes of a server's State, as it happens.
#include <doctest/doctest.h>
#include <signal.h>

#include <filesystem>
#include <optional>

#include "instance.hpp"
#include "raw_client.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// A connection that has subscribed to a server's name.
class Follower {
 public:
  Follower(const Instance& peeperd, std::string_view server) : talk_(peeperd.talk()) {
    talk_.send({"SUBSCRIBE", server});
    REQUIRE(talk_.receive().starts_with("[subscribe"));
  }
  // Until it is told what there is.
  void begin() { CHECK(line().starts_with("observed")); }
  // The next event; none within the time.
  std::optional<resp::Reply> next(std::chrono::milliseconds patience = kPatience) {
    auto push = talk_.client().receive(patience);
    if (!push) return std::nullopt;
    REQUIRE_MESSAGE(push->elements.size() == 3, text_of(push));
    return push->elements[2];
  }
  // As "changed 7 -> 8".
  std::string line() {
    const auto event = next();
    if (!event) return "(none)";
    const auto of = [&](std::string_view key) {
      const resp::Reply* value = event->field(key);
      return value == nullptr ? std::string("(no field)") : text_of(*value);
    };
    if (of("event") == "changed") return of("old") + " -> " + of("state");
    if (of("event") == "observed") return "observed " + of("state");
    return of("event") + " (" + of("reason") + ") " + of("state");
  }
  Talk& talk() { return talk_; }

 private:
  Talk talk_;
};

bool exists(std::int64_t pid) {
  return std::filesystem::exists("/proc/" + std::to_string(pid));
}

std::int64_t sequence(Talk& talk, std::string_view server) {
  const auto status = talk.reply({"SYS", "GET_STATUS", server});
  REQUIRE(status.has_value());
  return status->field("sequence")->integer;
}

std::string halves() {
  return "[[server]]\nname = \"halves\"\nbehaviour = \"halves\"\nstate_size = \"8MiB\"\n"
         "callback_timeout = \"0\"\n";
}

}  // namespace

TEST_CASE("state events: changes and ends, in their order, what changes nothing is none") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  Follower follower{peeperd, "counter"};
  follower.begin();
  const auto count = [](int of) { return "[count " + std::to_string(of) + "]"; };

  talk({"CALL", "counter", "add", "10"});
  CHECK(follower.line() == count(0) + " -> " + count(10));
  for (int i = 0; i < 5; ++i) talk({"CALL", "counter", "add", "0"});
  talk({"CALL", "counter", "state"});
  CHECK(talk({"CALL", "counter", "inc_then_segv"}).starts_with("-CRASHED"));
  CHECK(follower.line() == "terminated (SIGSEGV at 0x0 in 'inc_then_segv') " + count(10));
  talk({"CALL", "counter", "inc"});
  CHECK(follower.line() == count(10) + " -> " + count(11));
  // Of which no reply tells the daemon.
  talk({"CAST", "counter", "add", "-1"});
  CHECK(follower.line() == count(11) + " -> " + count(10));
  talk({"CAST", "counter", "inc"});
  CHECK(follower.line() == count(10) + " -> " + count(11));
  CHECK(::kill(peeperd.worker("counter"), SIGKILL) == 0);
  CHECK(follower.line() == "terminated (SIGKILL) " + count(11));
  CHECK(peeperd.peeper({"stop", "counter"}).exit_code == 0);
  CHECK(follower.line() == "terminated (shutdown) " + count(11));
  CHECK(peeperd.peeper({"start", "counter"}).exit_code == 0);
  talk({"CALL", "counter", "inc"});
  const auto event = follower.next();
  REQUIRE(event.has_value());
  CHECK(event->field("server")->text == "counter");
  CHECK(event->field("changes")->integer == 1);
  CHECK(event->field("sequence")->integer == sequence(talk, "counter"));
  CHECK(text_of(*event->field("state")) == count(12));
  CHECK_FALSE(follower.next(100ms).has_value());
  peeperd.stop();
}

TEST_CASE("state events for RESP2, as Redis publishes, nobody asked for them once they are left") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  RawClient old{peeperd.socket()};
  REQUIRE(old.send("*2\r\n$9\r\nSUBSCRIBE\r\n$7\r\ncounter\r\n"));
  peeperd.await([&] {
    return old.look().starts_with("*3\r\n$9\r\nsubscribe\r\n$7\r\ncounter\r\n:1\r\n");
  });
  peeperd.await([&] { return peeperd.fact("counter", "observer") != 0; });
  peeperd.await([&] {
    talk({"CALL", "counter", "inc"});
    return old.look().find("*3\r\n$7\r\nmessage\r\n$7\r\ncounter\r\n*14\r\n$5\r\nevent\r\n") !=
           std::string::npos;
  });
  const auto observer = peeperd.fact("counter", "observer");
  CHECK(exists(observer));
  REQUIRE(old.send("*2\r\n$11\r\nUNSUBSCRIBE\r\n$7\r\ncounter\r\n"));
  peeperd.await([&] { return peeperd.fact("counter", "observer") == 0; });
  peeperd.await([&] { return !exists(observer); });
  peeperd.stop();
}

TEST_CASE("state events under load: each is one commit's, and the last one is the last") {
  Instance peeperd{halves()};
  peeperd.start();
  Talk talk = peeperd.talk();
  REQUIRE(talk({"CALL", "halves", "fill", "300"}).front() != '-');
  Follower follower{peeperd, "halves"};
  follower.begin();
  constexpr int kRounds = 400;
  constexpr int kAtOnce = 100;
  std::string many;
  for (int i = 0; i < kAtOnce; ++i) many += "CALL halves inc\r\n";
  std::int64_t changes = 0;
  std::size_t events = 0;
  resp::Reply last;
  const auto take = [&](const resp::Reply& event) {
    REQUIRE(event.field("event")->text == "changed");
    for (const char* key : {"old", "state"}) {
      const resp::Reply* shown = event.field(key);
      REQUIRE_MESSAGE(shown->field("left") != nullptr, text_of(*shown));
      CHECK(shown->field("left")->integer == shown->field("right")->integer);
    }
    if (events != 0)
      CHECK(text_of(*event.field("old")) == text_of(last));
    changes += event.field("changes")->integer;
    last = *event.field("state");
    ++events;
  };
  for (int round = 0; round < kRounds; ++round) {
    talk.send_raw(many);
    for (int i = 0; i < kAtOnce; ++i) REQUIRE(talk.receive().front() != '-');
    while (const auto event = follower.next(0ms)) take(*event);
  }
  const std::string state = talk({"SYS", "GET_STATE", "halves"});
  while (text_of(last) != state) {
    const auto event = follower.next();
    REQUIRE(event.has_value());
    take(*event);
  }
  MESSAGE(events << " events of " << changes << " changes");
  CHECK(events > 1);
  // The worker counts a moment after its commit: so it may be with the first, and with the last.
  CHECK(changes <= kRounds * kAtOnce + 1);
  CHECK(changes >= kRounds * kAtOnce - 1);
  // That it was looked at is no message of its own: its callbacks are all there were.
  CHECK(sequence(talk, "halves") <= kRounds * kAtOnce + 4);
  peeperd.stop();
}

TEST_CASE("state events go on when the observer is killed, and when peeperd was") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  Follower follower{peeperd, "counter"};
  follower.begin();
  CHECK(::kill(static_cast<int>(peeperd.fact("counter", "observer")), SIGKILL) == 0);
  talk({"CALL", "counter", "add", "1000"});
  CHECK(follower.line() == "[count 0] -> [count 1000]");

  const auto observer = peeperd.fact("counter", "observer");
  CHECK(exists(observer));
  peeperd.kill_all_three("counter");
  peeperd.await([&] { return !exists(observer); });
  peeperd.start();
  Talk again = peeperd.talk();
  Follower another{peeperd, "counter"};
  another.begin();
  again({"CALL", "counter", "inc"});
  CHECK(another.line() == "[count 1000] -> [count 1001]");
  peeperd.stop();
}

TEST_CASE("state events of a server whose code is changed show the new State, never half of it") {
  Instance peeperd{"[[server]]\nname = \"mine\"\nbehaviour = \"shape\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  Follower follower{peeperd, "mine"};
  follower.begin();
  const std::string before = talk({"SYS", "GET_STATE", "mine"});
  REQUIRE(talk({"SYS", "CHANGE_CODE", "mine", "evolved"}) == "OK");
  const std::string after = talk({"SYS", "GET_STATE", "mine"});
  REQUIRE(before != after);
  CHECK(follower.line() == before + " -> " + after);
  peeperd.stop();
}

TEST_CASE("state events while a callback hangs: the last commit, until its worker's end") {
  Instance peeperd{halves()};
  peeperd.start();
  Talk talk = peeperd.talk();
  REQUIRE(talk({"CALL", "halves", "inc"}).front() != '-');
  Follower follower{peeperd, "halves"};
  follower.begin();
  const std::string before = talk({"SYS", "GET_STATE", "halves"});
  Talk caller = peeperd.talk();
  caller.send({"CALL", "TIMEOUT", "600000", "halves", "half", "600000"});
  peeperd.await_message("halves");
  Follower late{peeperd, "halves"};
  CHECK_FALSE(follower.next(200ms).has_value());
  CHECK(::kill(peeperd.worker("halves"), SIGKILL) == 0);
  CHECK(late.line() == "terminated (SIGKILL in 'half') " + before);
  CHECK(follower.line() == "terminated (SIGKILL in 'half') " + before);
  peeperd.stop();
}

TEST_CASE("state events of a heap too large for a copy: it is shown where it is") {
  Instance peeperd{
      "[[server]]\nname = \"hoard\"\nbehaviour = \"hoard\"\nstate_size = \"512MiB\"\n"
      "callback_timeout = \"0\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  // In pieces, for the journal's sake.
  talk({"CALL", "hoard", "reserve", "290000000"});
  for (int i = 1; i <= 29; ++i)
    REQUIRE(talk({"CALL", "hoard", "fill", "10000000"}) == std::to_string(i) + "0000000");
  const auto status = talk.reply({"SYS", "GET_STATUS", "hoard"});
  REQUIRE(status.has_value());
  REQUIRE(status->field("heap_reserved")->integer > 256 * 1024 * 1024);
  Follower follower{peeperd, "hoard"};
  CHECK(follower.line() == "observed [size 290000000 text ]");
  talk({"CALL", "hoard", "append", "a"});
  CHECK(follower.line() == "[size 290000000 text ] -> [size 290000000 text a]");
  CHECK(::kill(peeperd.worker("hoard"), SIGKILL) == 0);
  CHECK(follower.line() == "terminated (SIGKILL) [size 290000000 text a]");
  talk({"CALL", "hoard", "append", "b"});
  CHECK(follower.line() == "[size 290000000 text a] -> [size 290000000 text ab]");
  peeperd.stop();
}
