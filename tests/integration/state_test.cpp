// SYS GET_STATE, and `peeper state`: the last commit, whatever the worker does, and parts of it.
#include <doctest/doctest.h>
#include <signal.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <thread>

#include "common/launch.hpp"
#include "common/resp/reply.hpp"
#include "common/segment/segment.hpp"
#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string halves(std::string_view more = "") {
  return "[[server]]\nname = \"halves\"\nbehaviour = \"halves\"\nstate_size = \"8MiB\"\n"
         "callback_timeout = \"0\"\n" +
         std::string(more);
}

std::string state(Instance& peeperd, std::string_view path = "") {
  Talk talk = peeperd.talk();
  if (path.empty()) return talk({"SYS", "GET_STATE", "halves"});
  return talk({"SYS", "GET_STATE", "halves", path});
}

// One that has committed something, and hangs in the middle of more until the worker's end.
struct Hanging {
  explicit Hanging(Instance& peeperd) : caller(peeperd.talk()) {
    Talk talk = peeperd.talk();
    REQUIRE(talk({"CALL", "halves", "fill", "50"}).front() != '-');
    REQUIRE(talk({"CALL", "halves", "inc"}).front() != '-');
    committed = state(peeperd);
    caller.send({"CALL", "TIMEOUT", "600000", "halves", "half", "600000"});
    peeperd.await_message("halves");
    // Until half of it is done: what lies behind is in another page, which nobody has asked for.
    const auto segment = segment::Segment::open({peeperd.name(), "halves"}, segment::View::kRings);
    REQUIRE(segment.has_value());
    peeperd.await([&] { return segment->control().journal.count.load() >= 2; });
  }
  Talk caller;
  std::string committed;
};

std::size_t open_files(int pid) {
  const std::filesystem::path files = "/proc/" + std::to_string(pid) + "/fd";
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& file : std::filesystem::directory_iterator(files)) ++count;
  return count;
}

// The value of peeper-worker --inspect, started by hand; none: it saw too much change.
std::optional<resp::Reply> inspected(const Instance& peeperd) {
  const auto library =
      std::filesystem::path(PEEPER_BEHAVIOUR_DIR) / "halves.so";
  const Ran ran = run({{"/bin/sh", "-c", "exec \"$0\" \"$@\" 3>&1", program("peeper-worker"),
                        "--instance=" + peeperd.name(), "--server=halves",
                        "--library=" + library.string(), "--inspect"},
                       {},
                       {},
                       {}});
  if (ran.exit_code == launch::kExitMoved) return std::nullopt;
  CAPTURE(ran.err);
  REQUIRE(ran.exit_code == 0);
  const auto read = resp::read_value(ran.out);
  REQUIRE_MESSAGE(read.has_value(), ran.out);
  return read->reply;
}

void check_halves(const resp::Reply& shown) {
  REQUIRE_MESSAGE(shown.field("left") != nullptr, text_of(shown));
  CHECK(shown.field("left")->integer == shown.field("right")->integer);
}

}  // namespace

TEST_CASE("state: of a server that hangs in a message half done it is the last commit") {
  Instance peeperd{halves("standby = 0\n")};  // which would come some time, with descriptors
  peeperd.start();
  Hanging hanging{peeperd};
  const int worker = peeperd.worker("halves");
  const std::size_t files = open_files(peeperd.daemon().pid());
  for (int i = 0; i < 3; ++i) CHECK(state(peeperd) == hanging.committed);
  CHECK(state(peeperd, "left") == "1");
  CHECK(state(peeperd, "right") == "1");
  CHECK(state(peeperd, "accounts.42") == "420");
  CHECK(state(peeperd, "items.3") == "[price 3 name item]");
  CHECK(state(peeperd, "shelves.\"top.shelf\".0.name") == "mug");
  CHECK(state(peeperd, "accounts.x").starts_with("-BADARG no 'x' in accounts; of its 50 keys "));
  // Many at once, of whom some ask for the same.
  std::vector<Talk> askers;
  for (int i = 0; i < 12; ++i) {
    askers.push_back(peeperd.talk());
    askers.back().send({"SYS", "GET_STATE", "halves", "accounts." + std::to_string(i % 3)});
  }
  for (int i = 0; i < 12; ++i)
    CHECK(askers[static_cast<std::size_t>(i)].receive() == std::to_string(10 * (i % 3)));
  askers.clear();
  CHECK(peeperd.worker("halves") == worker);
  CHECK(peeperd.fact("halves", "crashes") == 0);
  peeperd.await([&] { return open_files(peeperd.daemon().pid()) <= files; });

  // Then it is stopped, and then it dies of it: what the message had changed is never seen.
  const Watch watch{worker};
  watch.kill(SIGSTOP);
  CHECK(state(peeperd) == hanging.committed);
  watch.kill(SIGKILL);
  CHECK(state(peeperd) == hanging.committed);
  CHECK(hanging.caller.receive() == "-CRASHED halves: SIGKILL in 'half'");
  CHECK(state(peeperd) == hanging.committed);
  peeperd.stop();
}

TEST_CASE("state: of a server that is stopped, suspended, down or restarting") {
  Instance peeperd{halves("max_restarts = 0\nretry_delay = \"never\"\nstandby = 0\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  REQUIRE(talk({"CALL", "halves", "inc"}) == "1");
  // The process stands still though nothing is in hand.
  const Watch worker{peeperd.worker("halves")};
  worker.kill(SIGSTOP);
  CHECK(state(peeperd, "left") == "1");
  worker.kill(SIGCONT);
  CHECK(talk({"SYS", "SUSPEND", "halves"}) == "OK");
  CHECK(talk({"CAST", "halves", "inc"}) == "OK");
  CHECK(state(peeperd, "right") == "1");
  CHECK(talk({"SYS", "RESUME", "halves"}) == "OK");
  CHECK(talk({"CALL", "halves", "inc"}) == "3");
  CHECK(peeperd.peeper({"stop", "halves"}).out == "OK\n");
  CHECK(state(peeperd, "left") == "3");
  CHECK(peeperd.peeper({"start", "halves"}).out == "OK\n");

  Hanging hanging{peeperd};
  talk.send({"SYS", "SUSPEND", "halves"});  // in the middle of it
  CHECK(state(peeperd) == hanging.committed);
  Watch{peeperd.worker("halves")}.kill(SIGKILL);
  CHECK(hanging.caller.receive() == "-CRASHED halves: SIGKILL in 'half'");
  peeperd.await([&] { return peeperd.text_fact("halves", "state") == "down"; });
  CHECK(state(peeperd) == hanging.committed);
  const Ran shown = peeperd.peeper({"--json", "state", "halves", "accounts.42"});
  CHECK(shown.out == "420\n");
  CHECK(shown.exit_code == 0);
  peeperd.stop();
}

TEST_CASE("state: while messages are handled each answer is one commit's") {
  Instance peeperd{halves()};
  peeperd.start();
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> last{0};
  std::thread client{[&] {
    Talk talk = peeperd.talk();
    while (!stop) {
      const auto answer = talk.reply({"CALL", "halves", "inc"});
      if (answer) last = answer->integer;
      if (last % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds{300});
    }
  }};
  Talk talk = peeperd.talk();
  std::int64_t before = 0;
  for (int i = 0; i < 300; ++i) {
    const auto shown = talk.reply({"SYS", "GET_STATE", "halves"});
    REQUIRE(shown.has_value());
    check_halves(*shown);
    CHECK(shown->field("left")->integer >= before);
    before = shown->field("left")->integer;
  }
  // The same by who only looks, while all that goes on.
  int held = 0;
  for (int i = 0; i < 40; ++i) {
    const std::int64_t least = last;
    const auto shown = inspected(peeperd);
    if (!shown) continue;
    ++held;
    check_halves(*shown);
    CHECK(shown->field("left")->integer >= least);
  }
  MESSAGE("held: " << held << " of 40, the count is " << last);
  CHECK(held > 0);
  stop = true;
  client.join();
  peeperd.stop();
}

TEST_CASE("state: of a segment gone wild it fails for who asked, and for nobody else") {
  Instance peeperd{halves()};
  peeperd.start();
  Talk talk = peeperd.talk();
  REQUIRE(talk({"CALL", "halves", "spoil"}) == "0");
  talk.send({"CALL", "TIMEOUT", "600000", "halves", "half", "600000"});
  peeperd.await_message("halves");
  const int worker = peeperd.worker("halves");
  const int keeper = peeperd.keeper("halves");
  const std::string answer = state(peeperd);
  CHECK(answer.starts_with("-ERR halves: "));
  CHECK(answer.ends_with("; the server is as it was. A part of the state may be sound: peeper "
                         "state halves PATH"));
  CHECK(state(peeperd, "items").starts_with("-ERR halves: "));
  CHECK(state(peeperd, "left") == "0");
  const Ran shown = peeperd.peeper({"state", "halves"});
  CHECK(shown.exit_code == 1);
  CHECK(shown.err.starts_with("(error) ERR halves: "));
  CHECK(peeperd.worker("halves") == worker);
  CHECK(peeperd.keeper("halves") == keeper);
  CHECK(peeperd.fact("halves", "crashes") == 0);
  Watch{worker}.kill(SIGKILL);
  CHECK(talk.receive() == "-CRASHED halves: SIGKILL in 'half'");
  peeperd.stop();
}

TEST_CASE("state: paths work wherever the state is from, and errors say what is there") {
  Instance peeperd{halves() + counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  REQUIRE(talk({"CALL", "halves", "fill", "5000"}) == "0");
  CHECK(peeperd.peeper({"state", "halves", "accounts.4999"}).out == "49990\n");
  CHECK(peeperd.peeper({"state", "halves", "items.3"}).out == "price: 3\nname: item\n");
  CHECK(peeperd.peeper({"--json", "state", "halves", "items.3"}).out ==
        "{\"price\":3,\"name\":\"item\"}\n");
  const Ran missing = peeperd.peeper({"state", "halves", "items.5000"});
  CHECK(missing.exit_code == 1);
  CHECK(missing.err == "(error) BADARG no '5000' in items; there is: 0 to 4999\n");
  CHECK(state(peeperd, "nothing") ==
        "-BADARG no 'nothing' in the state; there is: left, between, right, accounts, shelves, "
        "items");
  CHECK(state(peeperd, "a..b").starts_with("-BADARG 'a..b' is no path: "));
  CHECK(talk({"SYS", "GET_STATE", "nobody", "a"}).starts_with("-NOSERVER "));
  CHECK(talk({"SYS", "GET_STATE", "counter", "count"}) == "0");
  CHECK(talk({"SYS", "SUSPEND", "halves"}) == "OK");
  CHECK(state(peeperd, "accounts.7") == "70");
  CHECK(talk({"SYS", "RESUME", "halves"}) == "OK");
  peeperd.stop();
}

TEST_CASE("state: an inspector ends with peeperd, and leaves nothing behind") {
  Instance peeperd{halves()};
  peeperd.start();
  Hanging hanging{peeperd};
  for (int i = 0; i < 20; ++i) {
    Talk asker = peeperd.talk();
    asker.send({"SYS", "GET_STATE", "halves"});
    if (i % 2 == 0) CHECK(asker.receive() == hanging.committed);
  }
  Talk asker = peeperd.talk();
  asker.send({"SYS", "GET_STATE", "halves"});
  peeperd.kill_daemon();
  peeperd.start();
  CHECK(state(peeperd, "left") == "1");
  peeperd.stop();
}
