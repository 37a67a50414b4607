// A peeperd with the fixture `guard`, a server that meddles with the pages of its State.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>

#include <string>

#include "instance.hpp"
#include "require.hpp"

namespace peeper::test {

class GuardInstance : public Instance {
 public:
  // Started already.
  explicit GuardInstance(std::string_view more = "state_size = \"64MiB\"")
      : Instance("[[server]]\nname = \"guard\"\nbehaviour = \"guard\"\nmax_restarts = 1000000\n" +
                 std::string(more) + "\n") {
    start();
  }

  // Of SYS GET_STATUS.
  [[nodiscard]] std::int64_t status(std::string_view name) const { return field(name).integer; }
  [[nodiscard]] std::string last_crash() const { return field("last_crash").text; }

  // A FIFO that opens for reading once release() is called.
  [[nodiscard]] std::string fifo() const {
    const std::string path = (directory() / "fifo").string();
    require(::mkfifo(path.c_str(), 0600) == 0, "no FIFO " + path);
    return path;
  }
  void release(const std::string& path) const {
    await([&] {
      return UniqueFd{::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC)}.get() >= 0;
    });
  }

 private:
  [[nodiscard]] resp::Reply field(std::string_view name) const {
    const auto map = talk().reply({"SYS", "GET_STATUS", "guard"});
    require(map.has_value(), text_of(map));
    const resp::Reply* found = map->field(name);
    require(found != nullptr, "no field " + std::string(name));
    return *found;
  }
};

}  // namespace peeper::test
