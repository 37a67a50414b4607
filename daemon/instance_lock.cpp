#include "daemon/instance_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <thread>

namespace peeper::daemon {
namespace {

using Clock = std::chrono::steady_clock;

// A daemon that is killed while it starts a process leaves its lock to that one until it has run
// exec, or has seen that its parent is gone: some instructions, longer on a busy machine.
constexpr std::chrono::seconds kInheritedPatience{5};
constexpr std::chrono::milliseconds kPause{1};

bool is_gone(const std::string& pid) {
  const long number = std::strtol(pid.c_str(), nullptr, 10);
  return number > 0 && ::kill(static_cast<pid_t>(number), 0) != 0 && errno == ESRCH;
}

}  // namespace

Result<InstanceLock> InstanceLock::take(const std::string& instance) {
  const std::string path = "/dev/shm/peeper." + instance;
  const auto deadline = Clock::now() + kInheritedPatience;
  while (true) {
    UniqueFd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!fd) return system_failure("cannot open the lock of instance '" + instance + "', " + path,
                                   errno);
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK)
        return system_failure("cannot lock instance '" + instance + "', " + path, errno);
      char pid[16] = {};
      const ssize_t got = ::pread(fd.get(), pid, sizeof pid - 1, 0);
      if (is_gone(pid) && Clock::now() < deadline) {
        std::this_thread::sleep_for(kPause);
        continue;
      }
      return Failure{"another peeperd" +
                         (got > 0 ? " (pid " + std::string(pid) + ")" : std::string()) +
                         " runs instance '" + instance +
                         "'; end it first, or give this one another name with --instance",
                     EWOULDBLOCK};
    }
    // The one before us may have removed the name between our open and our lock: then somebody
    // else's lock is on a new object.
    struct stat ours {};
    struct stat named {};
    if (::fstat(fd.get(), &ours) != 0 || ::stat(path.c_str(), &named) != 0 ||
        ours.st_ino != named.st_ino)
      continue;
    const std::string pid = std::to_string(::getpid());
    if (::ftruncate(fd.get(), 0) != 0 ||
        ::pwrite(fd.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size()))
      return system_failure("cannot write to " + path, errno);
    return InstanceLock{path, std::move(fd)};
  }
}

InstanceLock::~InstanceLock() {
  if (fd_) ::unlink(path_.c_str());
}

}  // namespace peeper::daemon
