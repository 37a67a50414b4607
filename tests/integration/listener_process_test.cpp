// What listeners do to their keeper's process, and it to theirs: stops, files, signals, output.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <thread>

#include "instance.hpp"
#include "keeper_stage.hpp"
#include "listener_parts.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace fs = std::filesystem;

template <class Condition>
void await_so(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  bool is_so = false;
  while (!is_so && std::chrono::steady_clock::now() < deadline) {
    is_so = condition();
    if (!is_so) std::this_thread::sleep_for(1ms);
  }
  REQUIRE(is_so);
}

// Stops the keeper for longer than a call may take.
void stop_for_longer_than(std::chrono::milliseconds limit, const KeeperStage& stage) {
  ::kill(stage.pid(), SIGSTOP);
  std::this_thread::sleep_for(limit + 200ms);
  ::kill(stage.pid(), SIGCONT);
}

}  // namespace

TEST_CASE("listener: a keeper that was stopped and continued goes on as if nothing had been") {
  constexpr auto kLimit = 2'000ms;
  KeeperStage stage;
  stage.start({.listeners = {listener("wicked")}, .timeout = kLimit});
  const fs::path go = stage.directory() / "go";
  stage.tell_change(5, 1, kOne, text_value("await " + go.string()));
  await_so([&] { return stage.mark() != 0; });
  for (int stop = 0; stop < 2; ++stop) {
    stop_for_longer_than(kLimit, stage);
    // It has looked at what runs by the time that it answers.
    CHECK(stage.recover().event == launch::Event::kRecovered);
  }
  std::ofstream{go} << "go";
  CHECK(stage.acknowledged());
  stage.tell_change(6, 1, kOne, kTwo);
  CHECK(stage.acknowledged());
}

TEST_CASE("listener: one that hangs is ended though its keeper was stopped for a while") {
  KeeperStage stage;
  stage.start({.listeners = {listener("wicked")}, .timeout = 300ms});
  stage.tell_change(5, 1, kOne, text_value("hang"));
  await_so([&] { return stage.mark() != 0; });
  stop_for_longer_than(300ms, stage);
  const int status = stage.end();
  CHECK(WIFSIGNALED(status));
  CHECK(WTERMSIG(status) == SIGABRT);
  CHECK(has(stage.log(), ": on_state_changed takes more than 300 ms"));
}

TEST_CASE("listener exec: a program isn't killed for the time that its keeper was stopped in") {
  constexpr auto kLimit = 2'000ms;
  KeeperStage stage;
  const fs::path go = stage.directory() / "go";
  const fs::path begun = stage.directory() / "begun";
  const fs::path program =
      make_program(stage.directory() / "program",
                   "> " + begun.string() + "; while ! [ -e " + go.string() +
                                        " ]; do sleep 0.01; done; echo ended");
  stage.start({.listeners = {"exec:" + program.string()}, .timeout = kLimit});
  stage.tell_change(5, 1, kOne, kTwo);
  await_so([&] { return fs::exists(begun); });
  stop_for_longer_than(kLimit, stage);
  CHECK_FALSE(stage.acknowledged(300ms));  // it would have been killed at once
  std::ofstream{go} << "go";
  CHECK(stage.acknowledged());
  CHECK(stage.output() == "ended\n");
  CHECK(stage.log().empty());
}

TEST_CASE("listener: one that closes the keeper's files takes it along, and is named") {
  KeeperStage stage;
  for (const char* wish :
       {"close", "close the control socket", "close what the keeper has opened"}) {
    CAPTURE(wish);
    stage.start({.listeners = {"log", listener("wicked")}});
    stage.tell_change(5, 1, kOne, text_value(wish));
    const int status = stage.end();
    CHECK(WIFSIGNALED(status));
    CHECK(WTERMSIG(status) == SIGABRT);
    CHECK(stage.mark() == 2);
    // The log is closed as well, if it closed all.
    CHECK(has(stage.log() + stage.output(),
              "<3>listener " + listener("wicked") +
                  ": on_state_changed has closed files that are not its own"));
  }
}

TEST_CASE("listeners: after one has closed all files another keeper tells of the next change") {
  Instance peeperd{"[[server]]\nname = \"counter\"\nbehaviour = \"counter\"\nstate = \"1000\"\n"
                   "state_size = \"1MiB\"\nlistener = [\"wicked\", \"log\"]\n"
                   "listener_timeout = \"infinity\"\nmax_restarts = 0\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  const int worker = peeperd.worker("counter");
  const Watch keeper{peeperd.keeper("counter")};
  const auto set_count = [&](std::int64_t wanted) {
    const std::int64_t count = std::stoll(talk({"CALL", "counter", "state"}));
    CHECK_FALSE(talk({"CALL", "counter", "add", std::to_string(wanted - count)}).starts_with("-"));
  };
  // Until it was told of that very state, and not of it and the next as one.
  for (int i = 0; !keeper.gone(0ms) && i < 20; ++i) {
    set_count(1'000 + i);
    if (keeper.gone(50ms)) break;
    set_count(16);
    (void)keeper.gone(2s);
  }
  REQUIRE(keeper.gone(0ms));
  peeperd.await([&] { return has(peeperd.log(), "while it ran listener 'wicked'"); });
  peeperd.await([&] {
    const int next = peeperd.keeper("counter");
    return next != 0 && next != keeper.pid();
  });
  set_count(2'000);
  peeperd.await([&] { return has(peeperd.log(), "-> 2000"); });
  CHECK(peeperd.worker("counter") == worker);
}

TEST_CASE("listener: no signal is blocked or ignored in it, nor so in what it starts") {
  KeeperStage stage;
  stage.start({.listeners = {listener("wicked")}});
  const fs::path file = stage.directory() / "status";
  stage.tell_change(5, 1, kOne, text_value("show " + file.string()));
  CHECK(stage.acknowledged());
  const std::string masks = content_of(file);
  REQUIRE(has(masks, "SigIgn:"));
  CHECK(has(masks, "SigBlk:\t0000000000000000\n"));
  // Others may be ignored by whoever runs this test.
  const std::uint64_t ignored = std::stoull(line_with(masks, "SigIgn").substr(7), nullptr, 16);
  CHECK((ignored & (1U << (SIGPIPE - 1))) == 0);
  CHECK(stage.log().empty());
}

TEST_CASE("listener: one that writes where nobody reads is told so, and not ended") {
  KeeperStage stage;
  stage.start({.listeners = {listener("wicked")}});
  stage.tell_change(5, 1, kOne, text_value("broken pipe"));
  CHECK(stage.acknowledged());
  CHECK(has(stage.log(), "threw at sequence 5: EPIPE, as it should be\n"));
}

TEST_CASE("listener exec: a program that kills itself by a real-time signal is logged") {
  KeeperStage stage;
  const fs::path program = make_program(stage.directory() / "program", "kill -42 $$");
  stage.start({.listeners = {"exec:" + program.string()}});
  stage.tell_change(5, 1, kOne, kTwo);
  CHECK(stage.acknowledged());
  CHECK(has(stage.log(), ": it was killed by signal 42\n"));
}

TEST_CASE("listeners: what a program prints can't pass for what the keeper logs, nor spoil it") {
  Instance peeperd{"[[server]]\nname = \"counter\"\nbehaviour = \"counter\"\nstate = \"0\"\n"
                   "state_size = \"1MiB\"\nlistener = [\"exec:./program\"]\n"
                   "listener_timeout = \"500ms\"\n"};
  make_program(peeperd.directory() / "program", "printf '<2>x\\n'; printf part; exec sleep 1000");
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string late = "it takes more than 500 ms; killing it";
  peeperd.await([&] {
    (void)talk({"CALL", "counter", "inc"});
    return has(peeperd.log(), late);
  });
  peeperd.await([&] { return has(peeperd.log(), "server counter keeper| <2>x"); });
  const std::string log = peeperd.log();
  CHECK(has(line_with(log, late), "[error] server counter: listener exec:"));
  CHECK(has(line_with(log, "<2>x"), "[info] server counter keeper| <2>x"));
  CHECK_FALSE(has(log, "[critical]"));
  peeperd.stop();
  CHECK(has(peeperd.log(), "server counter keeper| part"));
}
