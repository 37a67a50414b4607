// One daemon an instance: a lock on the object /dev/shm/peeper.INSTANCE, held for the daemon's life
// and dropped by the kernel with it, however it dies.
#pragma once

#include <string>

#include "common/result.hpp"
#include "common/unique_fd.hpp"

namespace peeper::daemon {

class InstanceLock {
 public:
  // Fails when another daemon holds it, naming its pid. Blocks for a moment if that one is dead, and
  // what it was just starting still holds its lock.
  static Result<InstanceLock> take(const std::string& instance);
  InstanceLock(InstanceLock&&) = default;
  InstanceLock& operator=(InstanceLock&&) = delete;
  // Removes the object: an orderly end leaves nothing behind.
  ~InstanceLock();

 private:
  InstanceLock(std::string path, UniqueFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  UniqueFd fd_;
};

}  // namespace peeper::daemon
