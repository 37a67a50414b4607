// A process that is supervised until it isn't wanted any more.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "daemon/process/child.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;

namespace {

struct Launched {
  explicit Launched(const std::string& script) {
    auto launched = Child::launch(loop, {"/bin/sh", {"-c", script}, {}},
                                  [this](int wait_status) { told = wait_status; });
    REQUIRE(launched.has_value());
    child = *std::move(launched);
    pid = child->pid();
  }
  [[nodiscard]] bool is_gone() const { return ::kill(pid, 0) != 0 && errno == ESRCH; }
  bool await_end() {
    const auto until = std::chrono::steady_clock::now() + 20s;
    while (!is_gone() && std::chrono::steady_clock::now() < until) loop.run_one_for(5ms);
    return is_gone();
  }

  boost::asio::io_context loop;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work =
      boost::asio::make_work_guard(loop);
  std::unique_ptr<Child> child;
  int pid = 0;
  int told = -1;  // the wait status; -1: nothing was told
};

}  // namespace

TEST_CASE("child: its end is told once it is reaped") {
  Launched one{"exit 3"};
  CHECK(one.await_end());
  one.loop.poll();
  CHECK(WIFEXITED(one.told));
  CHECK(WEXITSTATUS(one.told) == 3);
}

TEST_CASE("child: one that is let go is killed and reaped, and its end is told to nobody") {
  Launched one{"sleep 1000"};
  Child::let_go(std::move(one.child));
  CHECK(one.await_end());
  one.loop.poll();
  CHECK(one.told == -1);
}

TEST_CASE("child: one that has ended before it is let go isn't told of either") {
  Launched one{"exit 3"};
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(one.pid), &info, WEXITED | WNOWAIT) == 0);
  // Before the loop hears of it, and in the same turn.
  boost::asio::post(one.loop, [&] { Child::let_go(std::move(one.child)); });
  CHECK(one.await_end());
  one.loop.poll();
  CHECK(one.told == -1);
}

TEST_CASE("child: one that was let go ends with the loop") {
  int pid = 0;
  {
    Launched one{"sleep 1000"};
    pid = one.pid;
    Child::let_go(std::move(one.child));
  }
  CHECK(::kill(pid, 0) != 0);
}
