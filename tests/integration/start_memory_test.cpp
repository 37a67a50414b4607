// No room: in /dev/shm at the start, in /dev/shm later, in a server's state_size. Each is a clear
// error, never a SIGBUS.
#include <doctest/doctest.h>
#include <signal.h>

#include <fstream>

#include "instance.hpp"
#include "skip.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string hoard(std::string_view more) {
  return "[[server]]\nname = \"hoard\"\nbehaviour = \"hoard\"\nmax_restarts = 1000\n" +
         std::string(more) + "\n";
}

// What makes a process see a /dev/shm of its own: as root, or as one of a new user namespace.
// Empty where neither is allowed.
std::vector<std::string> own_mounts() {
  for (const std::vector<std::string>& way :
       {std::vector<std::string>{"unshare", "--mount"},
        std::vector<std::string>{"unshare", "--map-root-user", "--mount"}}) {
    std::vector<std::string> attempt = way;
    attempt.insert(attempt.end(), {"sh", "-c", "mount -t tmpfs -o size=64k tmpfs /dev/shm"});
    if (run({attempt, {}, "", ""}).exit_code == 0) return way;
  }
  return {};
}

// peeperd with a /dev/shm of its own, of that size. `first`: a command run before it starts.
Spawn in_small_memory(const Instance& instance, const std::vector<std::string>& way,
                      const std::string& size, const std::string& first = "true") {
  Spawn spawn = instance.command();
  std::vector<std::string> command = way;
  command.insert(command.end(), {"sh", "-c",
                                 "mount -t tmpfs -o size=" + size + " tmpfs /dev/shm && " + first +
                                     " && exec \"$@\"",
                                 "sh"});
  command.insert(command.end(), spawn.command.begin(), spawn.command.end());
  spawn.command = command;
  return spawn;
}

void await_service(const Instance& instance) {
  instance.await([&] { return Connection::connect(instance.socket(), kPatience).has_value(); });
  (void)instance.talk();
}

void stop(Process& daemon, const Instance& instance) {
  daemon.signal(SIGTERM);
  const auto status = daemon.wait();
  REQUIRE(status.has_value());
  CHECK(*status == 0);
  CHECK(instance.log().find("SIGBUS") == std::string::npos);
}

}  // namespace

TEST_CASE("a server that /dev/shm has no room for is down with a sentence, others run") {
  const std::vector<std::string> way = own_mounts();
  if (way.empty()) {
    skip("this user may not mount anything");
    return;
  }
  Instance instance{hoard("mailbox = \"4MiB\"") +
                    counter_config("counter", "mailbox = \"64KiB\"")};
  Process daemon{in_small_memory(instance, way, "2m")};
  await_service(instance);
  instance.await([&] { return instance.text_fact("hoard", "state") == "down"; });
  Talk talk = instance.talk();
  const std::string down = talk({"CALL", "hoard", "size"});
  CAPTURE(down);
  CHECK(down.starts_with("-DOWN hoard: no room in /dev/shm for server 'hoard': it needs 14 MiB more "
                         "and "));
  CHECK(down.find("make room there (df -h /dev/shm) or lower state_size") != std::string::npos);
  // What was taken before the room ran out is given back.
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED counter: SIGSEGV"));
  CHECK(talk({"CALL", "counter", "inc"}) == "2");
  stop(daemon, instance);
}

TEST_CASE("a /dev/shm without any room is told by peeperd itself") {
  const std::vector<std::string> way = own_mounts();
  if (way.empty()) {
    skip("this user may not mount anything");
    return;
  }
  Instance instance{counter_config()};
  Spawn spawn = in_small_memory(instance, way, "4k", "head -c 4096 /dev/zero >/dev/shm/full");
  spawn.output_file.clear();
  const Ran ran = run(spawn);
  CHECK(ran.exit_code == 1);
  CAPTURE(ran.err);
  CHECK(ran.err.find("/dev/shm/peeper." + instance.name() + ": No space left on device") !=
        std::string::npos);
}

TEST_CASE("a state that fills /dev/shm fails the one message, and the server goes on") {
  const std::vector<std::string> way = own_mounts();
  if (way.empty()) {
    skip("this user may not mount anything");
    return;
  }
  Instance instance{hoard("mailbox = \"64KiB\"\nstate_size = \"64MiB\"")};
  Process daemon{in_small_memory(instance, way, "16m")};
  await_service(instance);
  Talk talk = instance.talk();
  std::int64_t size = 0;
  std::string answer;
  while ((answer = talk({"CALL", "hoard", "fill", "500000"})).front() != '-') {
    size += 500'000;
    REQUIRE(answer == std::to_string(size));
    REQUIRE(size < 64 * 1024 * 1024);
  }
  CAPTURE(answer);
  CHECK(answer.starts_with("-CRASHED hoard: out of state memory: no room in /dev/shm for server "
                           "'hoard': it needs "));
  CHECK(answer.ends_with(" in 'fill'"));
  CHECK(size > 0);
  for (int i = 0; i < 3; ++i) {
    CHECK(talk({"CALL", "hoard", "size"}) == std::to_string(size));
    CHECK(talk({"CALL", "hoard", "fill", "30000000"}).starts_with("-CRASHED hoard: out of state"));
    CHECK(talk({"CALL", "hoard", "append", "x"}) == "OK");
  }
  CHECK(talk({"CALL", "hoard", "size"}) == std::to_string(size));
  CHECK(talk({"CALL", "hoard", "text"}) == "xxx");
  stop(daemon, instance);
}

TEST_CASE("a state that reaches state_size fails the one message, and the server goes on") {
  Instance peeperd{hoard("state_size = \"1MiB\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  std::int64_t size = 0;
  std::string answer;
  while ((answer = talk({"CALL", "hoard", "fill", "50000"})).front() != '-') {
    size += 50'000;
    REQUIRE(answer == std::to_string(size));
    REQUIRE(size < 1024 * 1024);
  }
  const std::string reached =
      "-CRASHED hoard: out of state memory: state_size = 1048576 bytes is reached (raise it) in "
      "'fill'";
  CHECK(answer == reached);
  CHECK(size >= 300'000);
  CHECK(talk({"CALL", "hoard", "size"}) == std::to_string(size));
  CHECK(talk({"CALL", "hoard", "fill", "1000000000"}) == reached);
  CHECK(talk({"CALL", "hoard", "append", "x"}) == "OK");
  CHECK(talk({"CALL", "hoard", "text"}) == "x");
  peeperd.stop();
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "hoard", "size"}) == std::to_string(size));
  peeperd.stop();
}

TEST_CASE("a reply larger than any may be fails the one message and says what to raise") {
  Instance peeperd{hoard("mailbox = \"64KiB\"\nstate_size = \"1MiB\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "hoard", "blob", "30000"}) == std::string(30'000, 'b'));
  CHECK(talk({"CALL", "hoard", "blob", "40000"}) ==
        "-CRASHED hoard: std::length_error: the reply is larger than half of the mailbox; raise "
        "'mailbox' in 'blob'");
  CHECK(talk({"CALL", "hoard", "size"}) == "0");
  peeperd.stop();
}
