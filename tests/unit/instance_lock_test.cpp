// The lock that makes a daemon the only one of its instance.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "common/unique_fd.hpp"
#include "daemon/instance_lock.hpp"

using namespace peeper;
using daemon::InstanceLock;

TEST_CASE("the lock of a daemon that was killed while it started a child is waited for") {
  const std::string instance = "lock-test-" + std::to_string(::getpid());
  const std::string path = "/dev/shm/peeper." + instance;
  // As the child has it, from its fork to its exec.
  std::optional<UniqueFd> child{::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  REQUIRE(::flock(child->get(), LOCK_EX | LOCK_NB) == 0);
  std::thread exec{[&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
    child.reset();
  }};
  const auto lock = InstanceLock::take(instance);
  exec.join();
  CHECK(lock.has_value());
  // One that stays is refused.
  const auto second = InstanceLock::take(instance);
  REQUIRE_FALSE(second.has_value());
  CHECK(second.error().what.starts_with("another peeperd (pid " + std::to_string(::getpid()) +
                                        ") runs instance '" + instance + "'"));
}
