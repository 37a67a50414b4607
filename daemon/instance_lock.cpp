#include "daemon/instance_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <chrono>
#include <thread>

namespace peeper::daemon {
namespace {

// A child of a daemon that was killed has the lock until its exec, or until it notices that its
// parent is gone. That is soon: whoever holds the lock after this is a daemon.
constexpr auto kPatience = std::chrono::seconds{1};
constexpr auto kPause = std::chrono::milliseconds{5};

bool lock_in_time(int fd) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(kPause);
  }
  return true;
}

}  // namespace

Result<InstanceLock> InstanceLock::take(const std::string& instance) {
  const std::string path = "/dev/shm/peeper." + instance;
  while (true) {
    UniqueFd fd{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!fd) return system_failure("cannot open the lock of instance '" + instance + "', " + path,
                                   errno);
    if (!lock_in_time(fd.get())) {
      if (errno != EWOULDBLOCK)
        return system_failure("cannot lock instance '" + instance + "', " + path, errno);
      char pid[16] = {};
      const ssize_t got = ::pread(fd.get(), pid, sizeof pid - 1, 0);
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
