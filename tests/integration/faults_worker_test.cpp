// Workers that end with status 0 where none may, and workers that write garbage for the daemon.
#include <signal.h>

#include "code_change.hpp"

using namespace peeper;
using namespace peeper::test;

TEST_CASE("a worker that exits with 0 at its start has crashed, whatever the last one said") {
  for (const char* where : {"loading", "init", "start"}) {
    CAPTURE(where);
    Instance peeperd{counter_config() +
                     "[[server]]\nname = \"mine\"\nbehaviour = \"mine\"\nstate_size = \"1MiB\"\n"
                     "restart = \"transient\"\nmax_restarts = 2\nmax_seconds = 3600\n"
                     "standby = 0\n"};
    const auto library = peeperd.directory() / "mine.so";
    // A run that ends in order, so that the segment says so. Not for init, which runs once.
    if (std::string_view(where) != "init") {
      install(peeperd, "exits", "mine");
      peeperd.start();
      CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == "1");
      peeperd.stop();
      std::filesystem::remove(library);
    }
    install(peeperd, std::string("exits_") + where, "mine");
    peeperd.start();
    peeperd.await([&] { return peeperd.text_fact("mine", "state") == "down"; });
    CHECK(peeperd.talk()({"CALL", "mine", "inc"}) ==
          "-DOWN mine: more than 2 restarts in 3600 s, last: exit status 0. Its state is kept; "
          "restart peeperd to try again");
    CHECK(peeperd.fact("mine", "crashes") == 3);
    CHECK(peeperd.talk()({"CALL", "counter", "inc"}).front() != '-');
    peeperd.stop();
  }
}

TEST_CASE("a worker that ruins the rings it writes is killed, and nothing committed is lost") {
  Instance peeperd{counter_config("other") +
                   "[[server]]\nname = \"ruins\"\nbehaviour = \"ruins\"\nstate_size = \"1MiB\"\n"
                   "mailbox = \"64KiB\"\noverflow = \"reject\"\nmax_restarts = 1000\n"
                   "callback_timeout = 0\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  std::int64_t count = 0;
  for (const char* part : {"replies", "outbox", "mailbox"}) {
    CAPTURE(part);
    CHECK(talk({"CALL", "ruins", "inc"}) == std::to_string(++count));
    Talk waiting = peeperd.talk();
    waiting.send({"CALL", "TIMEOUT", "60000", "ruins", "ruin", part});
    if (std::string_view(part) == "mailbox") {
      // The daemon looks at the mailbox's head when it has no room.
      peeperd.await_message("ruins");
      const std::string filling(8000, 'x');
      peeperd.await([&] { return talk({"CAST", "ruins", "nothing", filling}) != "OK"; });
    }
    CHECK(waiting.receive() == "-CRASHED ruins: SIGKILL in 'ruin'");
    CHECK(peeperd.log().find(std::string("its worker overwrote the ") + part) != std::string::npos);
    CHECK(talk({"CALL", "ruins", "inc"}) == std::to_string(++count));
  }
  CHECK(peeperd.fact("ruins", "crashes") == 3);
  CHECK(talk({"CALL", "other", "inc"}) == "1");
  // What says which commit holds can't be made up again.
  CHECK(talk({"CALL", "ruins", "ruin", "slots"}).starts_with("-DOWN ruins: segment "));
  CHECK(talk({"CALL", "ruins", "inc"}).find("is damaged") != std::string::npos);
  CHECK(talk({"CALL", "other", "inc"}) == "2");
  peeperd.stop();
}

TEST_CASE("a worker that suspends itself by a wild write is put right") {
  Instance peeperd{"[[server]]\nname = \"ruins\"\nbehaviour = \"ruins\"\nstate_size = \"1MiB\"\n"
                   "callback_timeout = \"200ms\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "ruins", "ruin", "suspension"}) == "OK");
  CHECK(talk({"CALL", "TIMEOUT", "60000", "ruins", "inc"}) == "1");
  CHECK(peeperd.text_fact("ruins", "state") == "running");
  CHECK(peeperd.fact("ruins", "crashes") == 0);
  peeperd.stop();
}

TEST_CASE("new code that dies right after its commit has no way back, and is started again") {
  Instance peeperd{mine("shape", 1)};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "inc"}) == "1");
  const std::string answer = talk({"SYS", "CHANGE_CODE", "mine", "evolved_dies_committed"});
  CHECK(answer ==
        "-ERR the new code has committed, and then died as it started: SIGSYS; it is started "
        "again");
  CHECK(talk({"CALL", "mine", "inc"}) == "4");  // twice the count, and two more
  CHECK(peeperd.fact("mine", "crashes") == 1);
  CHECK(peeperd.text_fact("mine", "behaviour") == "evolved_dies_committed");
  peeperd.stop();
}
