#include "worker/runtime/stop_signals.hpp"

#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "common/check.hpp"
#include "common/limits.hpp"
#include "common/orphan.hpp"
#include "common/segment/futex.hpp"

namespace peeper::worker {
namespace {

// What signal handlers can't be handed.
volatile std::sig_atomic_t stop_requested = 0;
volatile std::sig_atomic_t orphaned = 0;
pid_t own_pid = 0;
segment::Atomic32* own_bell = nullptr;

void request_stop() {
  const int kept_errno = errno;
  stop_requested = 1;
  own_bell->fetch_add(1, std::memory_order_relaxed);
  segment::futex_wake(*own_bell);  // another thread may have got the signal
  errno = kept_errno;
}

// A child that a callback forked has the handler too, and no bell: it ends as any process does.
void on_sigterm(int signal) {
  if (::getpid() != own_pid) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
    return;
  }
  request_stop();
}

void on_daemon_gone() {
  orphaned = 1;
  request_stop();
}

}  // namespace

void install_stop_signals(segment::Atomic32& bell, pid_t daemon) {
  own_pid = ::getpid();
  own_bell = &bell;
  struct sigaction action {};
  action.sa_handler = on_sigterm;
  ::sigemptyset(&action.sa_mask);
  PEEPER_CHECK(::sigaction(SIGTERM, &action, nullptr) == 0, "no handler for SIGTERM");
  outlive_daemon(daemon, limits::kOrphanGrace, on_daemon_gone);
}

bool is_to_stop() { return stop_requested != 0; }
bool is_orphan() { return orphaned != 0; }

}  // namespace peeper::worker
