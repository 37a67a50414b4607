// The page guard with real processes: what may write the heap and what may not, and that a fault
// that isn't a first write is told as what it is.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdio>
#include <fstream>
#include <sstream>

#include "common/segment/segment.hpp"
#include "guard_instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// The state of the process's main thread, as in /proc: 'S' asleep.
char process_state(int pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  std::stringstream text;
  text << file.rdbuf();
  const std::size_t name_end = text.str().rfind(") ");
  return name_end == std::string::npos ? '?' : text.str()[name_end + 2];
}

bool has_writable_heap(const GuardInstance& peeperd, int pid) {
  const auto segment = segment::Segment::open({peeperd.name(), "guard"}, segment::View::kRings);
  require(segment.has_value(), "no segment");
  const segment::Extent heap = segment->plan().heap;
  std::ifstream maps{"/proc/" + std::to_string(pid) + "/maps"};
  for (std::string line; std::getline(maps, line);) {
    std::uint64_t offset = 0;
    char write = '-';
    if (line.ends_with(peeperd.segment("guard")) &&
        std::sscanf(line.c_str(), "%*s r%c%*s %lx", &write, &offset) == 2 && write == 'w' &&
        offset >= heap.offset && offset < heap.offset + heap.bytes)
      return true;
  }
  return false;
}

const std::string kStray = " (write to the state outside of a message, from another thread or by a "
                           "callback that gets it const)";

}  // namespace

TEST_CASE("a system call fills the state's memory once it was touched, and fails before") {
  GuardInstance peeperd;
  const std::string file = (peeperd.directory() / "input").string();
  const std::string text(5000, 't');  // over a page's boundary
  std::ofstream{file} << text;
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "guard", "read", "3", file}) == "EFAULT");
  CHECK(talk({"CALL", "guard", "get", "4"}) == ".");

  CHECK(talk({"CALL", "guard", "read_touched_and_crash", "3", file}) ==
        "-CRASHED guard: SIGSEGV at 0x0 in 'read_touched_and_crash'");
  CHECK(talk({"CALL", "guard", "get", "4"}) == ".");

  CHECK(talk({"CALL", "guard", "read_touched", "3", file}) == text);
  CHECK(talk({"CALL", "guard", "get", "4"}) == "t");
  peeperd.kill("guard", {.worker = true, .keeper = false, .daemon = false});
  CHECK(talk({"CALL", "guard", "get", "4"}) == "t");
  peeperd.stop();
}

TEST_CASE("a callback that gets its state const saves no page") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  // Page 0 hot: there is something that could be saved.
  peeperd.await([&] {
    CHECK(talk({"CALL", "guard", "set", "0"}) == "OK");
    return peeperd.status("hot_pages") > 0;
  });
  // A message's counts can be seen a moment after its reply; for sure once the next one runs.
  const auto settle = [&] { REQUIRE(talk.reply({"SYS", "GET_STATE", "guard"}).has_value()); };
  settle();
  const std::int64_t copies = peeperd.status("journal_copies");
  const std::int64_t faults = peeperd.status("journal_faults");
  for (int i = 0; i < 100; ++i) CHECK(talk({"CAST", "guard", "look", "0"}) == "OK");
  settle();
  CHECK(peeperd.status("journal_copies") == copies);
  CHECK(peeperd.status("journal_faults") == faults);
  // The counts do count.
  CHECK(talk({"CALL", "guard", "set", "9"}) == "OK");
  settle();
  CHECK(peeperd.status("journal_copies") > copies);
  CHECK(peeperd.status("journal_faults") > faults);
  peeperd.stop();
}

TEST_CASE("what a fault costs is measured anew at each start, and is a sane number") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const auto check_sane = [&] {
    REQUIRE(talk({"CALL", "guard", "get", "0"}) == ".");  // its start is over
    const std::int64_t break_even = peeperd.status("break_even");
    CHECK(break_even > 4);
    CHECK(break_even < 100'000);
  };
  check_sane();
  // As if the first measurement had been disturbed as much as one can be.
  auto segment = segment::Segment::open({peeperd.name(), "guard"}, segment::View::kRings);
  REQUIRE(segment.has_value());
  segment->control().worker.break_even.store(1'000'000);
  peeperd.kill("guard", {.worker = true, .keeper = false, .daemon = false});
  check_sane();
  peeperd.stop();
}

TEST_CASE("a callback that gets its state const may build values in the heap") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const Watch worker{peeperd.worker("guard")};
  REQUIRE(talk.reply({"SYS", "GET_STATE", "guard"}).has_value());  // its start is over
  const std::int64_t used = peeperd.status("heap_used");
  CHECK(talk({"CAST", "guard", "build"}) == "OK");
  CHECK(talk({"CALL", "guard", "get", "5"}) == ".");
  CHECK(peeperd.worker("guard") == worker.pid());
  CHECK(peeperd.last_crash() == "");
  peeperd.await([&] { return peeperd.status("heap_used") == used; });  // and they are gone
  // Undone with the rest when it crashes: an allocator that was left half changed would tell.
  for (int i = 0; i < 3; ++i) {
    CHECK(talk({"CAST", "guard", "build"}) == "OK");
    CHECK(talk({"CALL", "guard", "write_then", "null"}).starts_with("-CRASHED"));
  }
  CHECK(peeperd.status("heap_used") == used);
  peeperd.stop();
}

TEST_CASE("a callback that writes a state it got const dies of that write") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const std::string address = talk({"CALL", "guard", "address", "5"});
  CHECK(talk({"CAST", "guard", "write", "5"}) == "OK");
  CHECK(talk({"CALL", "guard", "get", "5"}) == ".");
  CHECK(peeperd.fact("guard", "crashes") == 1);
  CHECK(peeperd.last_crash() == "SIGSEGV at " + address + kStray + " in 'write'");
  peeperd.stop();
}

TEST_CASE("another thread's write in the middle of a message crashes, and the message is undone") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const std::string address = talk({"CALL", "guard", "address", "5"});
  CHECK(talk({"CALL", "guard", "thread", "5"}) ==
        "-CRASHED guard: SIGSEGV at " + address + kStray + " in 'thread'");
  CHECK(talk({"CALL", "guard", "get", "5"}) == ".");
  CHECK(talk({"CALL", "guard", "get", "0"}) == ".");
  CHECK(talk({"CALL", "guard", "set", "5"}) == "OK");
  CHECK(talk({"CALL", "guard", "get", "5"}) == "w");
  peeperd.stop();
}

TEST_CASE("another thread's write after the message crashes, and nothing of it stays") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const std::string fifo = peeperd.fifo();
  const std::string address = talk({"CALL", "guard", "address", "5"});
  CHECK(talk({"CALL", "guard", "set", "0"}) == "OK");
  CHECK(talk({"CALL", "guard", "thread_later", "5", fifo}) == "OK");
  const Watch worker{peeperd.worker("guard")};
  peeperd.release(fifo);
  REQUIRE(worker.gone());
  CHECK(talk({"CALL", "guard", "get", "5"}) == ".");
  CHECK(talk({"CALL", "guard", "get", "0"}) == "w");
  CHECK(peeperd.fact("guard", "crashes") == 1);
  CHECK(peeperd.last_crash() == "SIGSEGV at " + address + kStray);
  peeperd.stop();
}

TEST_CASE("a signal handler's write between two messages crashes, and nothing of it stays") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const std::string address = talk({"CALL", "guard", "address", "5"});
  CHECK(talk({"CALL", "guard", "on_signal", "5"}) == "OK");
  const Watch worker{peeperd.worker("guard")};
  peeperd.await([&] { return process_state(worker.pid()) == 'S'; });
  worker.kill(SIGUSR1);
  REQUIRE(worker.gone());
  CHECK(talk({"CALL", "guard", "get", "5"}) == ".");
  CHECK(peeperd.last_crash() == "SIGSEGV at " + address + kStray);
  peeperd.stop();
}

TEST_CASE("a stray write between messages crashes also where the page is hot, once that rests") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const auto make_hot = [&] {
    peeperd.await([&] {
      CHECK(talk({"CALL", "guard", "set", "0"}) == "OK");
      return peeperd.status("hot_pages") > 0;
    });
  };
  const auto await_rest = [&](int pid) {
    peeperd.await([&] { return !has_writable_heap(peeperd, pid); });
  };
  make_hot();
  const std::string address = talk({"CALL", "guard", "address", "0"});
  CHECK(talk({"CALL", "guard", "on_signal", "0"}) == "OK");
  const Watch first{peeperd.worker("guard")};
  // After a rest it is as hot as before.
  await_rest(first.pid());
  const std::int64_t faults = peeperd.status("journal_faults");
  CHECK(talk({"CALL", "guard", "set", "0"}) == "OK");
  await_rest(first.pid());
  CHECK(peeperd.status("journal_faults") == faults);
  first.kill(SIGUSR1);
  REQUIRE(first.gone());
  CHECK(talk({"CALL", "guard", "get", "0"}) == "w");
  CHECK(peeperd.last_crash() == "SIGSEGV at " + address + kStray);

  make_hot();
  const std::string fifo = peeperd.fifo();
  CHECK(talk({"CALL", "guard", "thread_later", "0", fifo}) == "OK");
  const Watch second{peeperd.worker("guard")};
  await_rest(second.pid());
  peeperd.release(fifo);
  REQUIRE(second.gone());
  CHECK(talk({"CALL", "guard", "get", "0"}) == "w");
  CHECK(peeperd.fact("guard", "crashes") == 2);
  peeperd.stop();
}

TEST_CASE("what an exit handler writes isn't kept, and an orderly stop runs none") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "guard", "at_exit", "5"}) == "OK");
  CHECK(talk({"CALL", "guard", "exit"}) == "-CRASHED guard: exit status 0 in 'exit'");
  CHECK(talk({"CALL", "guard", "get", "5"}) == ".");
  CHECK(talk({"CALL", "guard", "at_exit", "5"}) == "OK");
  peeperd.stop();
  CHECK(peeperd.log().find("SIGSEGV") == std::string::npos);
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "guard", "get", "5"}) == ".");
  peeperd.stop();
}

TEST_CASE("a real segfault after first writes is told with its own address, and undoes them") {
  GuardInstance peeperd;
  Talk talk = peeperd.talk();
  const auto pages = [&] {
    std::string all;
    for (int i = 0; i < 10; ++i) all += talk({"CALL", "guard", "get", std::to_string(i)});
    return all;
  };
  const std::string crashed = "-CRASHED guard: SIGSEGV at ";
  CHECK(talk({"CALL", "guard", "write_then", "null"}) == crashed + "0x0 in 'write_then'");
  for (const std::string way : {"write_far_away", "read_far_away"}) {
    CAPTURE(way);
    const std::string address = talk({"CALL", "guard", "address_far_away"});
    CHECK(talk({"CALL", "guard", "write_then", way}) == crashed + address + " in 'write_then'");
  }
  const std::string overflow = talk({"CALL", "guard", "write_then", "overflow"});
  CAPTURE(overflow);
  CHECK(overflow.starts_with(crashed + "0x7"));
  CHECK(overflow.ends_with(" (stack overflow) in 'write_then'"));
  CHECK(pages() == "..........");
  CHECK(peeperd.fact("guard", "crashes") == 4);
  CHECK(talk({"CALL", "guard", "write_then", "nothing"}) == "OK");
  CHECK(pages() == "wwwwwwwwww");
  peeperd.stop();
}
