// A worker that the kernel kills for want of memory: really, in a control group with little of it.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "instance.hpp"
#include "skip.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace fs = std::filesystem;

bool write_to(const fs::path& file, const std::string& text) {
  std::ofstream stream{file};
  stream << text << std::flush;
  return stream.good();
}

std::string own_path(std::string_view controllers) {
  std::ifstream lines{"/proc/self/cgroup"};
  const std::string wanted = ":" + std::string(controllers) + ":";
  for (std::string line; std::getline(lines, line);)
    if (const auto at = line.find(wanted); at != line.npos) return line.substr(at + wanted.size());
  return "";
}

// A control group below this process's own; of version 1, or of 2 if that hands memory on.
class Group {
 public:
  explicit Group(const std::string& name, const std::string& bytes) {
    const fs::path one = "/sys/fs/cgroup/memory" + own_path("memory");
    const fs::path two = "/sys/fs/cgroup" + own_path("");
    std::error_code error;
    const bool is_first = fs::exists(one / "memory.limit_in_bytes", error);
    path_ = (is_first ? one : two) / name;
    if (!fs::create_directory(path_, error)) return;
    good_ = write_to(path_ / (is_first ? "memory.limit_in_bytes" : "memory.max"), bytes);
    if (!is_first) write_to(path_ / "memory.swap.max", "0");
  }
  ~Group() {
    // Those in it are being taken down.
    std::error_code error;
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (fs::exists(path_, error) && ::rmdir(path_.c_str()) != 0 &&
           std::chrono::steady_clock::now() < deadline) {
    }
  }
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] std::string members() const { return (path_ / "cgroup.procs").string(); }

 private:
  fs::path path_;
  bool good_ = false;
};

}  // namespace

TEST_CASE("a worker that the kernel kills for want of memory is labelled OOM, its state is kept") {
  Instance peeperd{"[[server]]\nname = \"process\"\nbehaviour = \"process\"\n"
                   "max_restarts = 1000000\nstate_size = \"1MiB\"\n"};
  const Group group{peeperd.name(), "200000000"};
  if (!group.good()) return skip("no control group can be made here that limits memory");
  Spawn spawn = peeperd.command();
  std::string line = "echo $$ >" + group.members() + " && exec";
  for (const std::string& word : spawn.command) line += " '" + word + "'";
  spawn.command = {"/bin/sh", "-c", line};
  Process daemon{spawn};
  peeperd.await([&] { return Connection::connect(peeperd.socket(), 1s).has_value(); });
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "process", "inc"}) == "1");
  for (int i = 1; i <= 2; ++i) {
    CHECK(talk({"CALL", "process", "take", "1000000000"}) ==
          "-CRASHED process: OOM: killed by the kernel for want of memory in 'take'");
    CHECK(talk({"CALL", "process", "count"}) == "1");
  }
  // A kill by hand isn't.
  CHECK(talk({"CALL", "process", "kill"}) == "-CRASHED process: SIGKILL in 'kill'");
  CHECK(talk({"CALL", "process", "inc"}) == "2");
  daemon.signal(SIGTERM);
  CHECK(daemon.wait() == 0);
}
