// Processes that a callback forks have no part in the server: not in its state, not in its claim,
// not in how its worker's death is told. And nothing of the state gets into a core dump.
#include <doctest/doctest.h>
#include <signal.h>

#include <fstream>
#include <sstream>

#include "common/segment/segment.hpp"
#include "guard_instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// Ends a process of which the test knows no more than its pid.
struct Ender {
  Watch process;
  ~Ender() { process.kill(SIGKILL); }
};

struct Mapping {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
  std::string flags;  // " rd wr sh …", of VmFlags

  [[nodiscard]] bool has(const char* flag) const {
    return (flags + " ").find(std::string(" ") + flag + " ") != std::string::npos;
  }
};

// Of that file in that process.
std::vector<Mapping> mappings(int pid, const std::string& file) {
  std::ifstream smaps{"/proc/" + std::to_string(pid) + "/smaps"};
  std::vector<Mapping> found;
  bool wanted = false;
  for (std::string line; std::getline(smaps, line);) {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    Mapping mapping;
    if (std::sscanf(line.c_str(), "%lx-%lx %*s %lx", &begin, &end, &mapping.offset) == 3) {
      wanted = line.ends_with(" " + file);
      mapping.bytes = end - begin;
      if (wanted) found.push_back(mapping);
    } else if (wanted && line.starts_with("VmFlags:")) {
      found.back().flags = line.substr(8);
    }
  }
  return found;
}

// Heap and journal are in no core dump, and nothing of the segment is in a forked child. A worker
// has one page twice, by which it holds its claim.
void check_private(const GuardInstance& peeperd, int pid, std::uint64_t more_bytes) {
  CAPTURE(pid);
  const auto segment =
      segment::Segment::open({peeperd.name(), "guard"}, segment::View::kRings);
  REQUIRE(segment.has_value());
  const segment::Plan plan = segment->plan();
  std::uint64_t seen = 0;
  for (const Mapping& mapping : mappings(pid, peeperd.segment("guard"))) {
    CAPTURE(mapping.offset);
    CAPTURE(mapping.flags);
    CHECK(mapping.has("dc"));
    CHECK(mapping.has("dd") == (mapping.offset >= plan.heap.offset));
    seen += mapping.bytes;
  }
  CHECK(seen == plan.total_bytes + more_bytes);
}

}  // namespace

TEST_CASE("a forked child can neither read nor write the state, and dies as any process does") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const Watch worker{peeperd.worker("guard")};
  CHECK(talk({"CALL", "guard", "set", "3"}) == "OK");
  struct Way {
    std::string message;
    std::string end;
  };
  for (const Way& way : {Way{"fork_write", "SIGSEGV"}, Way{"fork_read", "SIGSEGV"},
                         Way{"fork_touch", "SIGSEGV"}, Way{"fork_null", "SIGSEGV"},
                         Way{"fork_abort", "SIGABRT"}, Way{"fork_term", "SIGTERM"},
                         Way{"vfork_null", "SIGSEGV"}, Way{"fork_nothing", "exit status 0"}}) {
    CAPTURE(way.message);
    CHECK(talk({"CALL", "guard", way.message, "4"}) == way.end);
    CHECK(talk({"CALL", "guard", "get", "4"}) == ".");
  }
  CHECK(peeperd.worker("guard") == worker.pid());
  CHECK(peeperd.fact("guard", "crashes") == 0);
  CHECK(peeperd.last_crash() == "");

  // What the children did is not taken for the worker's own end, which has no address.
  worker.kill(SIGSEGV);
  REQUIRE(worker.gone());
  CHECK(talk({"CALL", "guard", "get", "3"}) == "w");
  CHECK(peeperd.last_crash() == "SIGSEGV");
  CHECK(peeperd.fact("guard", "crashes") == 1);
  peeperd.stop();
}

TEST_CASE("a server comes back though a child that its worker forked lives on") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const std::string fifo = peeperd.fifo();
  CHECK(talk({"CALL", "guard", "set", "3"}) == "OK");
  const Ender child{Watch{std::stoi(talk({"CALL", "guard", "fork_and_stay", fifo}))}};
  peeperd.kill("guard", {.worker = true, .keeper = false, .daemon = false});
  CHECK(talk({"CALL", "guard", "get", "3"}) == "w");
  CHECK(talk({"CALL", "guard", "set", "4"}) == "OK");
  peeperd.kill_all_three("guard");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "guard", "get", "4"}) == "w");
  CHECK_FALSE(child.process.gone(0ms));
  peeperd.release(fifo);
  CHECK(child.process.gone());
  peeperd.stop();
}

TEST_CASE("heap and journal are in no core dump of worker or keeper, also after they grew") {
  GuardInstance peeperd{"state_size = \"1MiB\""};
  const auto check_both = [&] {
    REQUIRE(peeperd.talk()({"CALL", "guard", "get", "39"}) == ".");  // both are there and set up
    check_private(peeperd, peeperd.worker("guard"), segment::kPageBytes);
    check_private(peeperd, peeperd.keeper("guard"), 0);
  };
  check_both();
  // Pages with other rights are mappings of their own.
  CHECK(peeperd.talk()({"CALL", "guard", "write_then", "nothing"}) == "OK");
  check_both();
  peeperd.stop();
  std::ofstream{peeperd.config_file()}
      << "[[server]]\nname = \"guard\"\nbehaviour = \"guard\"\nstate_size = \"2MiB\"\n";
  peeperd.start();
  check_both();
  CHECK(peeperd.talk()({"CALL", "guard", "get", "0"}) == "w");
  peeperd.stop();
}
