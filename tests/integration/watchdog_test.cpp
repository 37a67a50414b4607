// Callbacks that take longer than they may, and those that only seem to.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <future>
#include <thread>

#include "instance.hpp"
#include "skip.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// Answers come all the while, and the watchdog looks more often than that.
void let_pass(Instance& peeperd, std::chrono::milliseconds time) {
  Talk talk = peeperd.talk();
  const auto until = std::chrono::steady_clock::now() + time;
  while (std::chrono::steady_clock::now() < until) REQUIRE(talk({"PING"}) == "PONG");
}

// A debugger that lets the process run, with all its signals, until one comes that stops it.
void hold(int pid, std::promise<bool>& seized) {
  const bool may_trace = ::ptrace(PTRACE_SEIZE, pid, 0, 0) == 0;
  seized.set_value(may_trace);
  int status = 0;
  while (may_trace && ::waitpid(pid, &status, __WALL) == pid && WIFSTOPPED(status)) {
    if (WSTOPSIG(status) == SIGSTOP) {
      ::ptrace(PTRACE_DETACH, pid, 0, 0);
      return;
    }
    ::ptrace(PTRACE_CONT, pid, 0, WSTOPSIG(status));
  }
}

}  // namespace

TEST_CASE("a callback that hangs is a crash labelled HUNG, and the next message runs") {
  Instance peeperd{counter_config("counter", "callback_timeout = \"200ms\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  CHECK(talk({"CALL", "counter", "inc_then_hang", "60000"}) ==
        "-CRASHED counter: HUNG for more than 200 ms in 'inc_then_hang'");
  CHECK(talk({"CALL", "counter", "state"}) == "1");
  CHECK(peeperd.fact("counter", "crashes") == 1);
  // A cast that hangs, too.
  CHECK(talk({"CAST", "counter", "inc_then_hang", "60000"}) == "OK");
  CHECK(talk({"CALL", "counter", "inc"}) == "2");
  CHECK(peeperd.fact("counter", "crashes") == 2);
  // Shorter ones don't.
  for (int i = 0; i < 5; ++i) CHECK(talk({"CALL", "counter", "hang", "50"}).front() != '-');
  CHECK(peeperd.fact("counter", "crashes") == 2);
  peeperd.stop();
}

TEST_CASE("a callback of a worker that is stopped does not hang") {
  Instance peeperd{counter_config("counter", "callback_timeout = \"200ms\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  talk.send({"CALL", "counter", "hang", "100"});
  peeperd.await_message("counter");
  const Watch worker{peeperd.worker("counter")};
  worker.kill(SIGSTOP);
  let_pass(peeperd, 1s);
  worker.kill(SIGCONT);
  CHECK(talk.receive().front() != '-');
  CHECK(peeperd.fact("counter", "crashes") == 0);
  peeperd.stop();
}

TEST_CASE("a callback of a worker that a debugger holds does not hang") {
  Instance peeperd{counter_config("counter", "callback_timeout = \"200ms\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  const Watch worker{peeperd.worker("counter")};
  std::promise<bool> seized;
  std::thread debugger{[&] { hold(worker.pid(), seized); }};
  const bool may_trace = seized.get_future().get();
  if (may_trace) {
    CHECK(talk({"CALL", "counter", "hang", "1000"}).front() != '-');
    CHECK(peeperd.fact("counter", "crashes") == 0);
    worker.kill(SIGSTOP);
  }
  debugger.join();
  if (!may_trace) skip("this user may not trace");
  CHECK(talk({"CALL", "counter", "hang", "60000"}) ==
        "-CRASHED counter: HUNG for more than 200 ms in 'hang'");
  peeperd.stop();
}

TEST_CASE("a whole tree that was stopped goes on as if nothing had been") {
  Instance peeperd{counter_config("counter", "callback_timeout = \"300ms\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  Talk pause = peeperd.talk();
  talk.send({"CALL", "counter", "hang", "200"});
  peeperd.await_message("counter");
  const Watch worker{peeperd.worker("counter")};
  peeperd.daemon().signal(SIGSTOP);
  worker.kill(SIGSTOP);
  // Nobody answers meanwhile, so there is nothing to wait for but time.
  CHECK_FALSE(pause.client().command({"PING"}, 1s).has_value());
  worker.kill(SIGCONT);
  peeperd.daemon().signal(SIGCONT);
  CHECK(talk.receive().front() != '-');
  CHECK(peeperd.fact("counter", "crashes") == 0);
  peeperd.stop();
}

TEST_CASE("with callback_timeout = 0 a callback takes as long as it likes") {
  Instance peeperd{counter_config("counter", "callback_timeout = 0")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "hang", "1500"}).front() != '-');
  CHECK(peeperd.fact("counter", "crashes") == 0);
  peeperd.stop();
}
