#include "process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "require.hpp"

namespace peeper::test {
namespace {

bool readable(int fd, std::chrono::milliseconds patience) {
  pollfd wanted{fd, POLLIN, 0};
  return ::poll(&wanted, 1, static_cast<int>(patience.count())) == 1;
}

UniqueFd open_pidfd(int pid) {
  return UniqueFd{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))};
}

}  // namespace

Watch::Watch(int pid) : pid_(pid), fd_(open_pidfd(pid)) {
  require(static_cast<bool>(fd_), "there is no process " + std::to_string(pid));
}

void Watch::kill(int signal) const {
  ::syscall(SYS_pidfd_send_signal, fd_.get(), signal, nullptr, 0);
}

bool Watch::gone(std::chrono::milliseconds patience) const {
  return readable(fd_.get(), patience);
}

Process::Process(const Spawn& spawn) {
  std::vector<char*> arguments;
  for (const std::string& argument : spawn.command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  int in[2];
  int out[2];
  int err[2];
  require(::pipe2(in, O_CLOEXEC) == 0, "no pipe");
  require(::pipe2(out, O_CLOEXEC) == 0, "no pipe");
  require(::pipe2(err, O_CLOEXEC) == 0, "no pipe");
  const int parent = ::getpid();
  pid_ = ::fork();
  require(pid_ >= 0, "no fork");
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(126);
    ::dup2(in[0], STDIN_FILENO);
    if (spawn.output_file.empty()) {
      ::dup2(out[1], STDOUT_FILENO);
      ::dup2(err[1], STDERR_FILENO);
    } else {
      const int log = ::open(spawn.output_file.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
      ::dup2(log, STDOUT_FILENO);
      ::dup2(log, STDERR_FILENO);
    }
    for (const auto& [name, value] : spawn.environment)
      ::setenv(name.c_str(), value.c_str(), 1);
    if (!spawn.directory.empty() && ::chdir(spawn.directory.c_str()) != 0) ::_exit(126);
    ::execvp(arguments[0], arguments.data());
    ::_exit(127);
  }
  pidfd_ = open_pidfd(pid_);
  ::close(in[0]);
  ::close(out[1]);
  ::close(err[1]);
  standard_input.reset(in[1]);
  standard_output.reset(out[0]);
  standard_error.reset(err[0]);
}

Process::~Process() {
  if (status_) return;
  signal(SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

void Process::signal(int number) const {
  if (!status_) ::kill(pid_, number);
}

std::optional<int> Process::wait(std::chrono::milliseconds patience) {
  if (!status_ && readable(pidfd_.get(), patience)) {
    int status = 0;
    require(::waitpid(pid_, &status, 0) == pid_, "no child to wait for");
    status_ = status;
  }
  return status_;
}

Ran run(Spawn spawn, std::string_view input, std::chrono::milliseconds patience) {
  Process process{spawn};
  Ran ran;
  const auto deadline = std::chrono::steady_clock::now() + patience;
  ::fcntl(process.standard_input.get(), F_SETFL, O_NONBLOCK);
  ::signal(SIGPIPE, SIG_IGN);
  if (input.empty()) process.standard_input.reset();
  while (process.standard_output || process.standard_error) {
    pollfd wanted[3] = {{process.standard_output.get(), POLLIN, 0},
                        {process.standard_error.get(), POLLIN, 0},
                        {process.standard_input.get(), POLLOUT, 0}};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || ::poll(wanted, 3, static_cast<int>(left.count())) <= 0) break;
    const auto take = [](const pollfd& ready, UniqueFd& fd, std::string& text) {
      if (ready.revents == 0) return;
      char buffer[65536];
      const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
      if (got > 0)
        text.append(buffer, static_cast<std::size_t>(got));
      else
        fd.reset();
    };
    take(wanted[0], process.standard_output, ran.out);
    take(wanted[1], process.standard_error, ran.err);
    if (wanted[2].revents != 0) {
      const ssize_t put = ::write(process.standard_input.get(), input.data(), input.size());
      input.remove_prefix(put > 0 ? static_cast<std::size_t>(put) : input.size());
      if (input.empty()) process.standard_input.reset();
    }
  }
  const auto status = process.wait(std::chrono::duration_cast<std::chrono::milliseconds>(
      std::max(deadline - std::chrono::steady_clock::now(),
               std::chrono::steady_clock::duration{0})));
  if (status && WIFEXITED(*status)) ran.exit_code = WEXITSTATUS(*status);
  return ran;
}

std::int64_t peak_kib(int pid) {
  std::ifstream status{"/proc/" + std::to_string(pid) + "/status"};
  std::string word;
  while (status >> word)
    if (word == "VmHWM:") {
      std::int64_t kib = 0;
      status >> kib;
      return kib;
    }
  return 0;
}

}  // namespace peeper::test
