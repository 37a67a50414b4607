// Keepers that hang: at their start and in a recovery. peeperd's patience with them is 15 s.
#include <doctest/doctest.h>
#include <signal.h>

#include <fstream>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

TEST_CASE("a keeper that hangs in a recovery is killed, and another one recovers") {
  Instance peeperd{counter_config()};
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "1");
  const Watch keeper{peeperd.keeper("counter")};
  keeper.kill(SIGSTOP);
  Talk waiting = peeperd.talk();
  waiting.send({"CALL", "TIMEOUT", "60000", "counter", "inc_then_segv"});
  CHECK(waiting.receive().starts_with("-CRASHED counter: SIGSEGV at "));
  CHECK(keeper.gone());
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "2");
  CHECK(peeperd.log().find("its keeper does not answer; killing it") != std::string::npos);
  peeperd.stop();
}

TEST_CASE("a keeper that never gets ready is killed, and neither worker nor clients notice") {
  Instance peeperd{counter_config()};
  const auto programs = peeperd.directory() / "bin";
  const std::string hang = peeperd.directory() / "hang";
  std::filesystem::create_directory(programs);
  std::filesystem::copy_file(program("peeperd"), programs / "peeperd");
  std::filesystem::create_symlink(program("peeper-worker"), programs / "peeper-worker");
  std::filesystem::copy_file(std::string(PEEPER_BEHAVIOUR_DIR) + "/counter.so",
                             peeperd.directory() / "counter.so");
  std::ofstream{programs / "peeper-keeper"} << "#!/bin/sh\n[ -e " << hang
                                            << " ] && exec sleep 1000\nexec "
                                            << program("peeper-keeper") << " \"$@\"\n";
  std::filesystem::permissions(programs / "peeper-keeper", std::filesystem::perms::owner_all);
  peeperd.run_from(programs);
  peeperd.start();
  Talk talk = peeperd.talk();
  const int worker = peeperd.worker("counter");
  const Watch first{peeperd.keeper("counter")};
  std::ofstream{hang} << "";
  first.kill(SIGKILL);
  int hanging = 0;
  peeperd.await([&] {
    hanging = peeperd.keeper("counter");
    return hanging != 0 && hanging != first.pid();
  });
  const Watch second{hanging};
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  std::filesystem::remove(hang);
  CHECK(second.gone());
  CHECK(talk({"CALL", "counter", "inc"}) == "2");
  CHECK(peeperd.worker("counter") == worker);
  // And the third does its work.
  CHECK(talk({"CALL", "TIMEOUT", "60000", "counter", "inc_then_segv"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "TIMEOUT", "60000", "counter", "inc"}) == "3");
  peeperd.stop();
}
