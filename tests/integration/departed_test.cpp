// A worker that dies gives up its segment before the kernel is done with its memory. Here it is held
// right before that, for as long as the test wants: as a process with very much of it would be.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>

#include "guard_instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// Thread: one and the same for all of it.
class Held {
 public:
  explicit Held(int pid) : process(pid) {
    require(::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACEEXIT) == 0,
            "this machine does not let a test trace a process");
  }
  ~Held() { release(); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  // Lets it run until its last moment. Its signals are its own.
  void run_to_end() {
    while (true) {
      int status = 0;
      require(::waitpid(process.pid(), &status, __WALL) == process.pid() && WIFSTOPPED(status),
              "it ended without a stop");
      if (status >> 8 == (SIGTRAP | PTRACE_EVENT_EXIT << 8)) break;
      ::ptrace(PTRACE_CONT, process.pid(), nullptr, static_cast<std::intptr_t>(WSTOPSIG(status)));
    }
    is_held_ = true;
  }
  void release() {
    if (std::exchange(is_held_, false)) ::ptrace(PTRACE_DETACH, process.pid(), nullptr, nullptr);
  }

  const Watch process;

 private:
  bool is_held_ = false;
};

}  // namespace

TEST_CASE("the next worker answers while the kernel still has to take down the dead one") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "guard", "set", "3"}) == "OK");
  Held first{peeperd.worker("guard")};
  talk.send({"CALL", "guard", "write_then", "null"});
  first.run_to_end();
  CHECK(talk.receive() == "-CRASHED guard: SIGSEGV at 0x0 in 'write_then'");
  CHECK(talk({"CALL", "guard", "get", "3"}) == "w");
  CHECK(talk({"CALL", "guard", "get", "4"}) == ".");

  // An exception gives it up as well; and two may be on their way out at once.
  Held second{peeperd.worker("guard")};
  CHECK(second.process.pid() != first.process.pid());
  talk.send({"CALL", "guard", "set", "1000"});
  second.run_to_end();
  CHECK(talk.receive() == "-CRASHED guard: std::out_of_range: no such page in 'set'");
  CHECK(talk({"CALL", "guard", "set", "4"}) == "OK");
  CHECK_FALSE(first.process.gone(0ms));
  CHECK_FALSE(second.process.gone(0ms));

  // Their ends are no deaths of the worker that runs now.
  const int third = peeperd.worker("guard");
  second.release();
  CHECK(second.process.gone());
  first.release();
  CHECK(first.process.gone());
  CHECK(talk({"CALL", "guard", "get", "4"}) == "w");
  CHECK(peeperd.worker("guard") == third);
  CHECK(peeperd.fact("guard", "crashes") == 2);
  CHECK(peeperd.fact("guard", "incarnation") == 3);
  peeperd.stop();
}
