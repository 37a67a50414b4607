#include "common/orphan.hpp"

#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <ctime>

namespace peeper {
namespace {

// A signal handler has no other way to its data.
pid_t own_pid = 0;
pid_t daemon_pid = 0;
timer_t end_timer{};
itimerspec end_after{};
void (*tell)() = nullptr;
volatile std::sig_atomic_t is_told = 0;

// Anybody may send SIGCONT. The kernel gives an orphan its new parent before the signal.
void on_sigcont(int) {
  if (is_told != 0 || ::getpid() != own_pid || ::getppid() == daemon_pid) return;
  is_told = 1;
  const int kept_errno = errno;
  ::timer_settime(end_timer, 0, &end_after, nullptr);
  tell();
  errno = kept_errno;
}

}  // namespace

void outlive_daemon(pid_t daemon, std::chrono::milliseconds grace, void (*on_gone)()) {
  own_pid = ::getpid();
  daemon_pid = daemon;
  end_after.it_value.tv_sec = grace.count() / 1'000;
  end_after.it_value.tv_nsec = grace.count() % 1'000 * 1'000'000;
  tell = on_gone;
  sigevent end{};
  end.sigev_notify = SIGEV_SIGNAL;
  end.sigev_signo = SIGKILL;
  if (::timer_create(CLOCK_MONOTONIC, &end, &end_timer) != 0) return;
  struct sigaction action {};
  action.sa_handler = on_sigcont;
  action.sa_flags = SA_RESTART;
  ::sigemptyset(&action.sa_mask);
  if (::sigaction(SIGCONT, &action, nullptr) != 0) return;
  ::prctl(PR_SET_PDEATHSIG, SIGCONT);  // until here SIGKILL, from here on the handler
}

}  // namespace peeper
