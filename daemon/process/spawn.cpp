#include "daemon/process/spawn.hpp"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <optional>
#include <string_view>

namespace peeper::daemon {
namespace {

// Of before raise_open_files(). A program that uses select(2) relies on the usual soft limit.
std::optional<rlimit> childrens_open_files;

// Everything the child needs, made before vfork: afterwards there are only raw system calls.
struct Plan {
  const LaunchSpec& spec;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  std::vector<std::pair<int, int>> inherited;  // the sources are all above the targets
  int parent;
  int highest_target;
  std::string oom_score_adj;
  std::string leash_path;
  // What the child was about to do; it has no other way to tell where it failed.
  const char* volatile step = "";
  volatile int error = 0;
};

// Whom the kernel signals belongs to the open file, so each child opens the pipe for itself. Before
// the user changes, so that the signal may be sent to it.
bool put_on_leash(int fd, const char* path) {
  const int own = ::open(path, O_RDONLY | O_NONBLOCK);
  return own >= 0 && ::dup2(own, fd) >= 0 && ::close(own) == 0 &&
         ::fcntl(fd, F_SETOWN, -::getpid()) == 0 && ::fcntl(fd, F_SETSIG, SIGKILL) == 0 &&
         ::fcntl(fd, F_SETFL, O_RDONLY | O_ASYNC) == 0;
}

bool set_descriptors(const Plan& plan) {
  const int null = ::open("/dev/null", O_RDONLY);
  if (null < 0 || ::dup2(null, STDIN_FILENO) < 0) return false;
  for (const auto& pair : plan.inherited)
    if (::dup2(pair.first, pair.second) < 0) return false;
  return ::close_range(static_cast<unsigned>(plan.highest_target) + 1, ~0U, 0) == 0;
}

// In this process's own name the kernel lets nobody else's be set: /proc/self is the child.
bool set_oom_score_adj(const std::string& value) {
  const int fd = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  return fd >= 0 && ::write(fd, value.data(), value.size()) > 0 && ::close(fd) == 0;
}

// Not the C library's functions: those change every thread they know of, the parent's.
bool take_credentials(const Credentials& to) {
  return ::syscall(SYS_setgroups, to.groups.size(), to.groups.data()) == 0 &&
         ::syscall(SYS_setresgid, to.group, to.group, to.group) == 0 &&
         ::syscall(SYS_setresuid, to.user, to.user, to.user) == 0;
}

// Runs in the child, on the parent's memory. Returns only when something failed, with errno set.
void become(Plan& plan) {
  const LaunchSpec& spec = plan.spec;
  struct sigaction by_default {};
  by_default.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &by_default, nullptr);
  plan.step = "its process group";
  if (::setpgid(0, 0) != 0) return;
  plan.step = "its file descriptors";
  if (!set_descriptors(plan)) return;
  plan.step = "its leash";
  if (spec.leash_fd && !put_on_leash(*spec.leash_fd, plan.leash_path.c_str())) return;
  plan.step = "oom_score_adj";
  if (spec.oom_score_adj && !set_oom_score_adj(plan.oom_score_adj) &&
      spec.insists_on_oom_score_adj)
    return;
  plan.step = "nice";
  if (spec.nice && ::setpriority(PRIO_PROCESS, 0, *spec.nice) != 0) return;
  plan.step = "its limit of open files";
  if (childrens_open_files && ::setrlimit(RLIMIT_NOFILE, &*childrens_open_files) != 0) return;
  for (const ResourceLimit& limit : spec.limits) {
    plan.step = limit.name;
    const rlimit both{limit.soft, limit.hard};
    if (::setrlimit(static_cast<__rlimit_resource>(limit.resource), &both) != 0) return;
  }
  plan.step = "user";
  if (spec.credentials && !take_credentials(*spec.credentials)) return;
  // After the change of user, which would undo it.
  plan.step = "its end with peeperd's";
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return;
  if (::getppid() != plan.parent) {  // it died before the line above
    errno = ESRCH;
    return;
  }
  plan.step = "working_directory";
  if (!spec.working_directory.empty() && ::chdir(spec.working_directory.c_str()) != 0) return;
  plan.step = "no_new_privileges";
  if (spec.no_new_privileges && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return;
  plan.step = "";
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(spec.program.c_str(), plan.arguments.data(), plan.environment.data());
}

// vfork: the daemon may be large, and its page tables need not be copied for a child that execs.
// Signals stay blocked until the child has its own handlers.
[[gnu::noinline]] pid_t fork_and_exec(Plan& plan) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::vfork();
  if (pid == 0) {
    become(plan);
    plan.error = errno;
    ::_exit(127);
  }
  if (pid < 0) plan.error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return pid;
}

std::string_view name_of(std::string_view variable) {
  return variable.substr(0, variable.find('='));
}

// Ours but for what is set anew, and for the socket on which only the daemon may speak.
std::vector<char*> environment_for(const LaunchSpec& spec, const std::string& mark) {
  std::vector<char*> result;
  const auto is_set_anew = [&](std::string_view name) {
    return name == "NOTIFY_SOCKET" || name == name_of(mark) ||
           std::ranges::any_of(spec.environment, [&](const std::string& variable) {
             return name_of(variable) == name;
           });
  };
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
    if (!is_set_anew(name_of(*variable))) result.push_back(*variable);
  for (const std::string& variable : spec.environment)
    result.push_back(const_cast<char*>(variable.c_str()));
  result.push_back(const_cast<char*>(mark.c_str()));
  result.push_back(nullptr);
  return result;
}

std::vector<char*> arguments_of(const LaunchSpec& spec) {
  std::vector<char*> result{const_cast<char*>(spec.program.c_str())};
  for (const std::string& argument : spec.arguments)
    result.push_back(const_cast<char*>(argument.c_str()));
  result.push_back(nullptr);
  return result;
}

Failure failure_of(const Plan& plan) {
  std::string what = "cannot start " + plan.spec.program;
  const std::string_view step = plan.step;
  if (!step.empty()) what += ", at " + std::string(step);
  Failure failure = system_failure(std::move(what), plan.error);
  const bool counts_processes = std::ranges::any_of(
      plan.spec.limits, [](const ResourceLimit& limit) { return limit.resource == RLIMIT_NPROC; });
  if (step.empty() && plan.error == EAGAIN && counts_processes)
    failure.what += "; its user has as many processes as 'limits.processes' allows";
  return failure;
}

}  // namespace

void raise_open_files() {
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur == files.rlim_max) return;
  const rlimit before = files;
  files.rlim_cur = files.rlim_max;
  if (::setrlimit(RLIMIT_NOFILE, &files) == 0) childrens_open_files = before;
}

Result<pid_t> spawn(const LaunchSpec& spec, const std::string& mark) {
  Plan plan{spec, arguments_of(spec), environment_for(spec, mark), {}, ::getpid(), STDERR_FILENO,
            std::to_string(spec.oom_score_adj.value_or(0)),
            "/proc/self/fd/" + std::to_string(spec.leash_fd.value_or(-1)), "", 0};
  for (const auto& [source, target] : spec.inherited)
    plan.highest_target = std::max(plan.highest_target, target);
  const auto close_copies = [&] {
    for (const auto& [copy, target] : plan.inherited) ::close(copy);
  };
  // Sources are moved above all targets first, so that no dup2 hits one.
  for (const auto& [source, target] : spec.inherited) {
    const int copy = ::fcntl(source, F_DUPFD_CLOEXEC, plan.highest_target + 1);
    if (copy < 0) {
      const int why = errno;
      close_copies();
      return system_failure("cannot start " + spec.program, why);
    }
    plan.inherited.emplace_back(copy, target);
  }
  const pid_t pid = fork_and_exec(plan);
  close_copies();
  if (pid > 0 && plan.error != 0) ::waitpid(pid, nullptr, 0);
  if (plan.error != 0) return failure_of(plan);
  return pid;
}

}  // namespace peeper::daemon
