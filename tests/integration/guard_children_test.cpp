// Processes that a callback forks have no part in the server: not in its state, not in its claim,
// not in how its worker's death is told. And nothing of the state gets into a core dump.
#include <doctest/doctest.h>
#include <signal.h>

#include <fstream>
#include <sstream>

#include "common/segment/plan.hpp"
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

// Is that offset one of a page that holds messages, or has memory for state?
bool holds_something(const segment::Segment& segment, std::uint64_t offset) {
  const segment::Plan& plan = segment.plan();
  const std::uint64_t reserved = segment.control().worker.heap_reserved.load();
  const auto is_in = [&](segment::Extent part, std::uint64_t bytes) {
    return offset >= part.offset && offset < part.offset + bytes;
  };
  return (offset >= segment::kGoneOffset && offset < plan.heap.offset) ||
         is_in(plan.heap, reserved) || is_in(plan.journal_pages, segment::journal_set_aside(plan).bytes) ||
         is_in(plan.journal_index, reserved / segment::kPageBytes * sizeof(std::uint32_t)) ||
         is_in(plan.page_writers, reserved / segment::kPageBytes * sizeof(std::uint64_t)) ||
         is_in(plan.block_writers, segment::blocks_of(reserved) * sizeof(std::uint64_t));
}

enum class Dump { kNothing, kAllThereIs };

// Of messages and state, core dumps have nothing or all, and nothing of the segment is in a forked
// child. `bytes`: of the mapping.
void check_private(const Instance& peeperd, std::string_view server, int pid,
                   std::uint64_t bytes, Dump dump = Dump::kNothing) {
  CAPTURE(pid);
  const auto segment =
      segment::Segment::open({peeperd.name(), std::string(server)}, segment::View::kRings);
  REQUIRE(segment.has_value());
  std::uint64_t seen = 0;
  for (const Mapping& mapping : mappings(pid, peeperd.segment(server))) {
    CAPTURE(mapping.offset);
    CAPTURE(mapping.flags);
    CHECK(mapping.has("dc"));
    // Page by page: what is alike to the kernel is one mapping.
    std::uint64_t wrong = 0;
    for (std::uint64_t at = mapping.offset; at < mapping.offset + mapping.bytes;
         at += segment::kPageBytes) {
      const bool is_asked_for = dump == Dump::kAllThereIs && holds_something(*segment, at);
      if (mapping.has("dd") != (at >= segment::kGoneOffset && !is_asked_for)) ++wrong;
    }
    CHECK(wrong == 0);
    seen += mapping.bytes;
  }
  CHECK(seen == bytes);
}

segment::Plan plan_of(const Instance& peeperd, std::string_view server) {
  const auto segment =
      segment::Segment::open({peeperd.name(), std::string(server)}, segment::View::kRings);
  REQUIRE(segment.has_value());
  return segment->plan();
}

// Are mapped files, of which the segment is one, in a core dump at all? (core(5))
bool dumps_shared_files(int pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/coredump_filter"};
  unsigned filter = 0;
  file >> std::hex >> filter;
  return (filter & 8) != 0;
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

TEST_CASE("a child that a worker forked ends with it, and the server comes back") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const std::string fifo = peeperd.fifo();
  CHECK(talk({"CALL", "guard", "set", "3"}) == "OK");
  const Ender child{Watch{std::stoi(talk({"CALL", "guard", "fork_and_stay", fifo}))}};
  peeperd.kill("guard", {.worker = true, .keeper = false, .daemon = false});
  CHECK(talk({"CALL", "guard", "get", "3"}) == "w");
  CHECK(talk({"CALL", "guard", "set", "4"}) == "OK");
  CHECK(child.process.gone());
  const Ender other{Watch{std::stoi(talk({"CALL", "guard", "fork_and_stay", fifo}))}};
  peeperd.kill_all_three("guard");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "guard", "get", "4"}) == "w");
  CHECK(other.process.gone());
  peeperd.stop();
}

TEST_CASE("neither state nor messages are in a core dump of anybody, also after the state grew") {
  GuardInstance peeperd{"state_size = \"1MiB\""};
  const auto check_both = [&] {
    REQUIRE(peeperd.talk()({"CALL", "guard", "get", "39"}) == ".");  // both are there and set up
    const segment::Plan plan = plan_of(peeperd, "guard");
    // A worker has one page twice, by which it holds its claim.
    check_private(peeperd, "guard", peeperd.worker("guard"),
                  plan.total_bytes + segment::kPageBytes);
    check_private(peeperd, "guard", peeperd.keeper("guard"), plan.total_bytes);
    check_private(peeperd, "guard", peeperd.daemon().pid(), plan.heap.offset);
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

TEST_CASE("who asks for it has state and messages in a worker's core dump, also what grows later") {
  Instance peeperd{"[[server]]\nname = \"hoard\"\nbehaviour = \"hoard\"\nmax_restarts = 1000\n"
                   "state_size = \"1GiB\"\ncore_dump = \"with_state\"\n"};
  peeperd.start();
  const auto check_all = [&] {
    Talk talk = peeperd.talk();
    REQUIRE(talk({"CALL", "hoard", "text"}) == "");  // the worker is there, and set up
    const segment::Plan plan = plan_of(peeperd, "hoard");
    check_private(peeperd, "hoard", peeperd.worker("hoard"),
                  plan.total_bytes + segment::kPageBytes, Dump::kAllThereIs);
    CHECK(dumps_shared_files(peeperd.worker("hoard")));
    check_private(peeperd, "hoard", peeperd.keeper("hoard"), plan.total_bytes);
    check_private(peeperd, "hoard", peeperd.daemon().pid(), plan.heap.offset);
  };
  check_all();
  CHECK(peeperd.talk()({"CALL", "hoard", "fill", "3000000"}) == "3000000");
  check_all();
  peeperd.kill("hoard", {.worker = true, .keeper = false, .daemon = false});
  check_all();
  peeperd.stop();
}
