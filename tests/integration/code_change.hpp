// What the tests of SYS CHANGE_CODE share: one server, `mine`, and code to be changed.
#pragma once

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "instance.hpp"

namespace peeper::test {

// Beside the configuration, under a name of the test's own.
inline void install(const Instance& instance, const std::string& behaviour,
                    const std::string& name) {
  namespace fs = std::filesystem;
  fs::copy_file(fs::path(program("")).parent_path() / "../lib/peeper" / (behaviour + ".so"),
                instance.directory() / (name + ".so"));
}

// By default no restart is allowed that counts.
inline std::string mine(const std::string& behaviour, int max_restarts = 0) {
  return "[[server]]\nname = \"mine\"\nbehaviour = \"" + behaviour +
         "\"\nstate_size = \"1MiB\"\nmax_restarts = " + std::to_string(max_restarts) + "\n";
}

inline void configure(const Instance& instance, const std::string& config) {
  std::ofstream{instance.config_file()} << config;
}

// What holds a worker in a callback until the test lets it go, whatever signals it gets: the
// message `hold` of `carries`.
class Gate {
 public:
  explicit Gate(const Instance& instance) : instance_(instance) {
    REQUIRE(::mkfifo(path().c_str(), 0600) == 0);
  }
  [[nodiscard]] std::string path() const { return (instance_.directory() / "gate").string(); }
  void open() const {
    instance_.await([&] {
      return UniqueFd{::open(path().c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)}.get() >= 0;
    });
  }

 private:
  const Instance& instance_;
};

// `asker` asks for the change. Returns once the worker has been told to hand over.
inline void begin_change(Instance& instance, Talk& asker, std::string_view behaviour,
                         std::string_view timeout_ms = "60000") {
  asker.send({"SYS", "CHANGE_CODE", "mine", behaviour, "TIMEOUT", timeout_ms});
  instance.await([&] { return instance.text_fact("mine", "state") == "upgrading"; });
}

}  // namespace peeper::test
