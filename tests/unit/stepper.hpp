// Runs a function in a child, one machine instruction at a time, and lets the test look at shared
// memory after each: as if the child had been killed there.
#pragma once

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>

namespace peeper::test {

// Where a look takes long, sanitized code, which has far more instructions for the same stores, is
// looked at after each so many.
#ifdef PEEPER_SANITIZED
inline constexpr std::uint64_t kLongStride = 16;
#else
inline constexpr std::uint64_t kLongStride = 1;
#endif

// Calls `work` in a child and `look(step)` after each of its instructions, and once before the
// first. Returns the number of instructions.
template <class Work, class Look>
std::uint64_t step_through(Work work, Look look) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr) != 0) ::_exit(2);
    ::raise(SIGSTOP);
    work();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE_MESSAGE(WIFSTOPPED(status), "this machine does not let a test trace its child");
  std::uint64_t steps = 0;
  while (true) {
    look(steps);
    REQUIRE(::ptrace(PTRACE_SINGLESTEP, child, nullptr, nullptr) == 0);
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFEXITED(status)) break;
    REQUIRE_MESSAGE((WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP),
                    "the stepped child got status " << status);
    ++steps;
  }
  CHECK(WEXITSTATUS(status) == 0);
  return steps;
}

}  // namespace peeper::test
