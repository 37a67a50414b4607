#include "daemon/child.hpp"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/process/v2.hpp>
#include <cerrno>
#include <csignal>

namespace peeper::daemon {
namespace {

// Everything the child needs, made before vfork: afterwards there are only raw system calls.
struct Plan {
  const char* program;
  char* const* arguments;
  const std::pair<int, int>* inherited;
  std::size_t inherited_count;
  int parent;
  int highest_target;
};

// Runs in the child, on the parent's memory. Returns only to report errno.
// The inherited descriptors are all above their targets (see launch), so no dup2 hits a source.
int become(const Plan& plan) {
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &by_default, nullptr);
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
  if (::getppid() != plan.parent) return ESRCH;  // it died before the line above
  if (::setpgid(0, 0) != 0) return errno;
  const int null = ::open("/dev/null", O_RDONLY);
  if (null < 0 || ::dup2(null, STDIN_FILENO) < 0) return errno;
  for (std::size_t i = 0; i < plan.inherited_count; ++i)
    if (::dup2(plan.inherited[i].first, plan.inherited[i].second) < 0) return errno;
  if (::close_range(static_cast<unsigned>(plan.highest_target) + 1, ~0U, 0) != 0) return errno;
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(plan.program, plan.arguments);
  return errno;
}

// vfork: the daemon may be large, and its page tables need not be copied for a child that execs.
// Signals stay blocked until the child has its own handlers.
[[gnu::noinline]] int spawn(const Plan& plan, volatile int& error) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();
  if (pid == 0) {
    error = become(plan);
    ::_exit(127);
  }
  if (pid < 0) error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return pid;
}

}  // namespace

Result<std::unique_ptr<Child>> Child::launch(boost::asio::io_context& loop, const LaunchSpec& spec,
                                             OnExit on_exit) {
  std::vector<char*> arguments{const_cast<char*>(spec.program.c_str())};
  for (const std::string& argument : spec.arguments)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);

  // Sources are moved above all targets first.
  Plan plan{spec.program.c_str(), arguments.data(), nullptr, 0, ::getpid(), STDERR_FILENO};
  for (const auto& [source, target] : spec.inherited)
    plan.highest_target = std::max(plan.highest_target, target);
  std::vector<std::pair<int, int>> inherited;
  const auto close_copies = [&] {
    for (const auto& [copy, target] : inherited) ::close(copy);
  };
  for (const auto& [source, target] : spec.inherited) {
    const int copy = ::fcntl(source, F_DUPFD_CLOEXEC, plan.highest_target + 1);
    if (copy < 0) {
      close_copies();
      return system_failure("cannot start " + spec.program, errno);
    }
    inherited.emplace_back(copy, target);
  }
  plan.inherited = inherited.data();
  plan.inherited_count = inherited.size();

  volatile int error = 0;
  const int pid = spawn(plan, error);
  close_copies();
  if (pid > 0 && error != 0) ::waitpid(pid, nullptr, 0);
  if (error != 0) return system_failure("cannot start " + spec.program, error);
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  const int end = pidfd < 0 ? -1 : ::fcntl(pidfd, F_DUPFD_CLOEXEC, 0);
  if (end < 0) {
    const int why = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    if (pidfd >= 0) ::close(pidfd);
    return system_failure("cannot watch " + spec.program, why);
  }
  std::unique_ptr<Child> child{new Child(loop, pid, pidfd, end)};
  child->wait(std::move(on_exit));
  return child;
}

using ProcessHandle =
    boost::process::v2::basic_process_handle<boost::asio::io_context::executor_type>;
struct Child::Handle : ProcessHandle {
  using ProcessHandle::ProcessHandle;
};

Child::Child(boost::asio::io_context& loop, int pid, int pidfd, int end)
    : pid_(pid),
      pidfd_(pidfd),
      handle_(std::make_unique<Handle>(loop.get_executor(), pid, pidfd)),
      end_(loop, end) {}

Child::~Child() {
  if (*exited_) return;
  *exited_ = true;  // the handler finds nobody to tell
  signal(SIGKILL);
  ::waitpid(pid(), nullptr, 0);
}

// Not the handle's own async_wait: when it is woken it waits for the process without looking, and
// Asio may wake for an event of the descriptor's former owner, when one child has followed another
// under the same number. That would stop the whole daemon until the child dies.
void Child::wait(OnExit on_exit) {
  end_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                  [this, exited = exited_, on_exit = std::move(on_exit)](
                      boost::system::error_code error) mutable {
                    if (error || *exited) return;  // `this` may be gone
                    int wait_status = 0;
                    boost::system::error_code unknown;
                    if (handle_->running(wait_status, unknown)) return wait(std::move(on_exit));
                    *exited = true;
                    on_exit(wait_status);
                  });
}

void Child::signal(int number) {
  ::syscall(SYS_pidfd_send_signal, pidfd_, number, nullptr, 0);
}

}  // namespace peeper::daemon
