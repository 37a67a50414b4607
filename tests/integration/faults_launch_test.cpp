// Faults that are no deaths: processes can't be started, descriptors or the disk run out.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <thread>

#include "descriptor_limit.hpp"
#include "refusals.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

void limit_descriptors(int pid, rlim_t most) {
  rlimit limit{};
  REQUIRE(::prlimit(pid, RLIMIT_NOFILE, nullptr, &limit) == 0);
  limit.rlim_cur = std::min(most, limit.rlim_max);
  REQUIRE(::prlimit(pid, RLIMIT_NOFILE, &limit, nullptr) == 0);
}

std::chrono::milliseconds processor_time(int pid) {
  std::ifstream file{"/proc/" + std::to_string(pid) + "/stat"};
  std::string word;
  for (int i = 0; i < 13; ++i) file >> word;  // no blanks in "(peeperd)"
  long user = 0;
  long system = 0;
  file >> user >> system;
  return std::chrono::milliseconds{(user + system) * 1000 / ::sysconf(_SC_CLK_TCK)};
}

// A directory with peeperd in it, and what a test puts in the others' place.
std::filesystem::path own_programs(Instance& peeperd) {
  const auto programs = peeperd.directory() / "bin";
  std::filesystem::create_directory(programs);
  for (const char* name : {"peeperd", "peeper-keeper", "peeper-worker"})
    std::filesystem::copy_file(program(name), programs / name);
  std::filesystem::copy_file(std::string(PEEPER_BEHAVIOUR_DIR) + "/counter.so",
                             peeperd.directory() / "counter.so");
  peeperd.run_from(programs);
  return programs;
}

void write_program(const std::filesystem::path& path, const std::string& text) {
  std::ofstream{path} << text;
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
}

}  // namespace

TEST_CASE("processes that can't be started are tried again until they can") {
  Instance peeperd{counter_config("counter", "standby = 0")};
  Refusals refusals{peeperd};
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "1");
  int number = 0;
  int error = 0;
  SUBCASE("fork: EAGAIN") { number = Refusals::kFork, error = EAGAIN; }
  SUBCASE("fork: ENOMEM") { number = Refusals::kFork, error = ENOMEM; }
  SUBCASE("exec: ENOMEM") { number = SYS_execve, error = ENOMEM; }
  SUBCASE("exec: ETXTBSY") { number = SYS_execve, error = ETXTBSY; }
  SUBCASE("before exec") { number = SYS_setpgid, error = EPERM; }
  SUBCASE("pidfd_open: EMFILE") { number = SYS_pidfd_open, error = EMFILE; }
  CAPTURE(number);
  const Watch worker{peeperd.worker("counter")};
  refusals.refuse(number, error);
  worker.kill(SIGKILL);
  Talk waiting = peeperd.talk();
  waiting.send({"CALL", "TIMEOUT", "60000", "counter", "inc"});
  peeperd.await([&] { return refusals.refused() >= 3; });
  CHECK(peeperd.worker("counter") == 0);
  refusals.allow();
  CHECK(waiting.receive() == "2");

  // The keeper, too; the worker is left alone.
  // That may have been one that could not be watched, before it was killed.
  peeperd.await([&] { return peeperd.worker("counter") != 0; });
  const int second = peeperd.worker("counter");
  refusals.refuse(number, error);
  Watch{peeperd.keeper("counter")}.kill(SIGKILL);
  peeperd.await([&] { return refusals.refused() >= 2; });
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "3");
  refusals.allow();
  peeperd.await([&] { return peeperd.keeper("counter") != 0; });
  CHECK(peeperd.worker("counter") == second);

  // And both.
  refusals.refuse(number, error);
  peeperd.kill("counter", {true, true, false});
  peeperd.await([&] { return refusals.refused() >= 2; });
  refusals.allow();
  CHECK(peeperd.talk()({"CALL", "TIMEOUT", "60000", "counter", "inc"}) == "4");
  const std::string log = peeperd.log();
  CHECK(log.find(number == SYS_pidfd_open ? "cannot watch " : "cannot start ") != log.npos);
  peeperd.stop();
}

TEST_CASE("a keeper without a socket pair is tried again until there is one") {
  Instance peeperd{counter_config("counter", "standby = 0")};
  Refusals refusals{peeperd};
  peeperd.start();
  refusals.refuse(SYS_socketpair, EMFILE);
  peeperd.kill("counter", {true, true, false});
  peeperd.await([&] { return refusals.refused() >= 3; });
  refusals.allow();
  CHECK(peeperd.talk()({"CALL", "TIMEOUT", "60000", "counter", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("a standby takes over though no process can be started") {
  Instance peeperd{counter_config()};
  Refusals refusals{peeperd};
  peeperd.start();
  Talk talk = peeperd.talk();
  peeperd.await([&] { return peeperd.fact("counter", "standby") != 0; });
  refusals.refuse(Refusals::kFork, EAGAIN);
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  peeperd.await([&] { return refusals.refused() >= 1; });
  refusals.allow();
  peeperd.await([&] { return peeperd.fact("counter", "standby") != 0; });
  peeperd.stop();
}

TEST_CASE("a worker program that is missing or garbage is tried again until it is back") {
  Instance peeperd{counter_config("counter", "standby = 0")};
  const auto programs = own_programs(peeperd);
  peeperd.start();
  std::int64_t count = 0;
  for (const std::string& in_its_place : {std::string(), std::string("garbage"),
                                          std::string("\x7f""ELF garbage"),
                                          std::string("#!/nowhere/at/all\n"),
                                          std::string("#!/bin/sh\nexit 0\n")}) {
    CAPTURE(in_its_place);
    const std::int64_t attempts = peeperd.fact("counter", "incarnation");
    std::filesystem::rename(programs / "peeper-worker", programs / "away");
    if (!in_its_place.empty()) write_program(programs / "peeper-worker", in_its_place);
    Watch{peeperd.worker("counter")}.kill(SIGKILL);
    Talk waiting = peeperd.talk();
    waiting.send({"CALL", "TIMEOUT", "60000", "counter", "inc"});
    peeperd.await([&] { return peeperd.fact("counter", "incarnation") >= attempts + 3; });
    std::filesystem::rename(programs / "away", programs / "peeper-worker");
    CHECK(waiting.receive() == std::to_string(++count));
  }
  peeperd.stop();
}

TEST_CASE("a program that only exits with 0 has crashed, though the last worker ended in order") {
  Instance peeperd{"[[server]]\nname = \"counter\"\nbehaviour = \"counter\"\n"
                   "state_size = \"1MiB\"\nrestart = \"transient\"\nstandby = 0\n"
                   "max_restarts = 2\nmax_seconds = 3600\nretry_delay = \"never\"\n"};
  const auto programs = own_programs(peeperd);
  peeperd.start();
  peeperd.stop();  // so that the segment says it stopped
  std::filesystem::rename(programs / "peeper-worker", programs / "away");
  write_program(programs / "peeper-worker", "#!/bin/sh\nexit 0\n");
  peeperd.start();
  peeperd.await([&] { return peeperd.text_fact("counter", "state") == "down"; });
  CHECK(peeperd.fact("counter", "crashes") == 3);
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}).find("last: exit status 0.") !=
        std::string::npos);
  peeperd.stop();
}

TEST_CASE("without descriptors clients wait, and servers come back when there are some") {
  Instance peeperd{counter_config("counter", "standby = 0")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  const int pid = peeperd.daemon().pid();
  limit_descriptors(pid, limit_for(pid, 2));

  std::vector<Connection> clients;
  for (int i = 0; i < 6; ++i) {
    auto client = Connection::connect(peeperd.socket(), kPatience);
    REQUIRE(client.has_value());
    REQUIRE(client->send({"PING"}, kPatience).has_value());
    clients.push_back(*std::move(client));
  }
  peeperd.await([&] { return peeperd.log().find("cannot accept a client") != std::string::npos; });
  CHECK(text_of(clients[0].receive(kPatience)) == "PONG");

  // Its recovery needs none; the launch of a process does, and the dead one's are out of reach.
  limit_descriptors(pid, 3);
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  const auto time_before = processor_time(pid);
  const auto until = std::chrono::steady_clock::now() + 1s;
  peeperd.await([&] {
    return peeperd.log().find("no socket pair for its worker") != std::string::npos ||
           peeperd.log().find("cannot start ") != std::string::npos ||
           peeperd.log().find("cannot watch ") != std::string::npos;
  });
  CHECK(talk({"PING"}) == "PONG");
  while (std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(10ms);
  CHECK(processor_time(pid) - time_before < 700ms);  // it doesn't spin
  const std::string log = peeperd.log();
  CHECK(log.find("cannot accept a client") == log.rfind("cannot accept a client"));

  limit_descriptors(pid, 1000);
  CHECK(text_of(clients.back().receive(kPatience)) == "PONG");
  CHECK(talk({"CALL", "TIMEOUT", "60000", "counter", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("without descriptors a worker's death is recovered, also by another keeper") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  peeperd.await([&] { return peeperd.fact("counter", "standby") != 0; });
  const int pid = peeperd.daemon().pid();
  limit_descriptors(pid, 3);
  CHECK(talk({"CALL", "counter", "inc_then_segv"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "counter", "inc"}) == "1");  // by the standby
  limit_descriptors(pid, 1000);
  peeperd.kill("counter", {true, true, false});
  CHECK(talk({"CALL", "TIMEOUT", "60000", "counter", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("a full disk under its log stops neither peeperd nor a server") {
  Instance peeperd{counter_config()};
  const auto programs = peeperd.directory() / "full";
  std::filesystem::create_directory(programs);
  write_program(programs / "peeperd",
                "#!/bin/sh\nexec " + program("peeperd") + " \"$@\" >/dev/full 2>&1\n");
  peeperd.run_from(programs);
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"SYS", "TRACE", "counter", "on"}) == "OK");
  for (int i = 1; i <= 20; ++i) {
    CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(i));
    CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  }
  Watch{peeperd.keeper("counter")}.kill(SIGKILL);
  peeperd.await([&] { return peeperd.keeper("counter") != 0; });
  CHECK(talk({"CALL", "counter", "raise"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "counter", "state"}) == "20");
  CHECK(peeperd.log().empty());
  peeperd.stop();
}
