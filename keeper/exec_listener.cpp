#include "keeper/exec_listener.hpp"

#include <poll.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "common/result.hpp"
#include "common/segment/death.hpp"
#include "common/unique_fd.hpp"
#include "common/utf8.hpp"
#include "common/write_all.hpp"
#include "keeper/running_time.hpp"

namespace peeper::keeper {
namespace {

using Clock = std::chrono::steady_clock;

std::string quoted(std::string_view text) {
  return boost::json::serialize(boost::json::value(boost::json::string(valid_utf8(text))));
}

// A file of memory, to be read from its beginning: unlike a pipe it takes all at once, whether it
// is read or not.
Result<UniqueFd> file_of(std::string_view text) {
  UniqueFd file{::memfd_create("peeper-event", MFD_CLOEXEC)};
  if (!file) return system_failure("no file for the event", errno);
  if (const int error = write_all(file.get(), text); error != 0)
    return system_failure("cannot write the event", error);
  ::lseek(file.get(), 0, SEEK_SET);
  return file;
}

Result<pid_t> start(const std::string& program, int input) {
  posix_spawn_file_actions_t files;
  posix_spawnattr_t how;
  ::posix_spawn_file_actions_init(&files);
  ::posix_spawnattr_init(&how);
  ::posix_spawn_file_actions_adddup2(&files, input, STDIN_FILENO);
  ::posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
  sigset_t none;
  sigset_t all;
  ::sigemptyset(&none);
  ::sigfillset(&all);
  ::posix_spawnattr_setsigmask(&how, &none);
  ::posix_spawnattr_setsigdefault(&how, &all);
  ::posix_spawnattr_setpgroup(&how, 0);
  ::posix_spawnattr_setflags(
      &how, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  char* const arguments[] = {const_cast<char*>(program.c_str()), nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawn(&pid, program.c_str(), &files, &how, arguments, environ);
  ::posix_spawnattr_destroy(&how);
  ::posix_spawn_file_actions_destroy(&files);
  if (error != 0) return system_failure("cannot start " + program, error);
  return pid;
}

// False: the time is over and it still runs.
bool has_ended(pid_t pid, const ExecListener::Limit& limit) {
  if (!limit) return true;
  const UniqueFd pidfd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
  RunningTime time{*limit, Clock::now()};
  const auto period = static_cast<int>(RunningTime::period(*limit).count());
  pollfd end{pidfd.get(), POLLIN, 0};
  while (pidfd) {
    if (::poll(&end, 1, period) > 0) return true;
    if (time.is_over(Clock::now())) break;
  }
  siginfo_t info{};
  const int error =
      ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
  return error != 0 || info.si_pid != 0;
}

}  // namespace

std::string event_document(const StateEvent& event) {
  const bool is_change = event.kind == StateEvent::Kind::kChanged;
  std::string text = std::string(R"({"event":)") +
                     (is_change ? R"("changed")" : R"("terminated")") + R"(,"server":)" +
                     quoted(event.server) + R"(,"sequence":)" +
                     std::to_string(event.sequence);
  if (is_change) {
    text += R"(,"changes":)" + std::to_string(event.changes) + R"(,"old":)";
    text += event.old_text();
  } else {
    text += R"(,"reason":)" + quoted(event.reason);
  }
  text += R"(,"state":)";
  text += event.state_text();
  return text + "}\n";
}

void ExecListener::hear(const StateEvent& event) {
  const auto input = file_of(event_document(event));
  if (!input) return spdlog::error("listener exec:{}: {}", program_, input.error().what);
  const auto pid = start(program_, input->get());
  if (!pid) return spdlog::error("listener exec:{}: {}", program_, pid.error().what);
  const bool is_late = !has_ended(*pid, limit_);
  if (is_late) {
    spdlog::error("listener exec:{}: it takes more than {} ms; killing it", program_,
                  limit_->count());
    ::kill(-*pid, SIGKILL);
  }
  int status = 0;
  while (::waitpid(*pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (is_late || status == 0) return;
  if (WIFSIGNALED(status))
    spdlog::error("listener exec:{}: it was killed by {}", program_,
                  segment::signal_name(WTERMSIG(status)));
  else
    spdlog::error("listener exec:{}: it ended with status {}", program_, WEXITSTATUS(status));
}

}  // namespace peeper::keeper
