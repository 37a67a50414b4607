#include "daemon/process/child.hpp"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/process/v2.hpp>
#include <cerrno>
#include <csignal>
#include <utility>

#include "daemon/process/descendants.hpp"

namespace peeper::daemon {

Result<std::unique_ptr<Child>> Child::launch(boost::asio::io_context& loop, const LaunchSpec& spec,
                                             OnExit on_exit) {
  auto& descendants = boost::asio::use_service<Descendants>(loop);
  const std::string mark = descendants.next_mark();
  const auto pid = spawn(spec, mark);
  if (!pid) return pid.error();
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0));
  const int end = pidfd < 0 ? -1 : ::fcntl(pidfd, F_DUPFD_CLOEXEC, 0);
  if (end < 0) {
    const int why = errno;
    ::kill(*pid, SIGKILL);
    ::kill(-*pid, SIGKILL);
    ::waitpid(*pid, nullptr, 0);
    if (pidfd >= 0) ::close(pidfd);
    return system_failure("cannot watch " + spec.program, why);
  }
  descendants.add(*pid, mark);
  std::unique_ptr<Child> child{new Child(loop, *pid, pidfd, end)};
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
      descendants_(boost::asio::use_service<Descendants>(loop)),
      handle_(std::make_unique<Handle>(loop.get_executor(), pid, pidfd)),
      end_(loop, end) {}

Child::~Child() {
  if (*exited_) return;
  *exited_ = true;  // the handler finds nobody to tell
  signal(SIGKILL);  // it may have left its own group
  end_group();
  ::waitpid(pid(), nullptr, 0);
  descendants_.remove(pid_);
}

// The handler owns it; what is left of it when the loop ends, ends with that.
void Child::let_go(std::unique_ptr<Child> child) {
  if (*child->exited_) return;
  // The handler that would tell somebody is void, even if it is due by now.
  *std::exchange(child->exited_, std::make_shared<bool>(false)) = true;
  child->signal(SIGKILL);
  boost::asio::posix::stream_descriptor& end = child->end_;
  end.cancel();
  end.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                 [child = std::move(child)](boost::system::error_code error) mutable {
                   if (!error && !child->has_ended()) let_go(std::move(child));
                 });
}

// Not the handle's own async_wait: when it is woken it waits for the process without looking, and
// Asio may wake for an event of the descriptor's former owner, when one child has followed another
// under the same number. That would stop the whole daemon until the child dies.
void Child::wait(OnExit on_exit) {
  end_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                  [this, exited = exited_, on_exit = std::move(on_exit)](
                      boost::system::error_code error) mutable {
                    if (error || *exited) return;  // `this` may be gone
                    if (!has_ended()) return wait(std::move(on_exit));
                    end_group();
                    int wait_status = 0;
                    boost::system::error_code unknown;
                    if (handle_->running(wait_status, unknown)) return wait(std::move(on_exit));
                    *exited = true;
                    descendants_.remove(pid_);
                    on_exit(wait_status);
                  });
}

// Leaves it to be reaped.
bool Child::has_ended() const {
  siginfo_t info{};
  return ::waitid(P_PIDFD, static_cast<id_t>(pidfd_), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
         info.si_pid != 0;
}

// Only before it is reaped.
void Child::end_group() const { ::kill(-pid_, SIGKILL); }

void Child::signal(int number) {
  if (number == SIGKILL) was_killed_ = true;
  ::syscall(SYS_pidfd_send_signal, pidfd_, number, nullptr, 0);
}

}  // namespace peeper::daemon
