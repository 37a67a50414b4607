// Starts that never end.
#include <doctest/doctest.h>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

TEST_CASE("a server whose init hangs is killed after its init_timeout, and in the end is down") {
  Instance peeperd{counter_config() +
                   "[[server]]\nname = \"hangs\"\nbehaviour = \"init_hangs\"\n"
                   "state_size = \"1MiB\"\ninit_timeout = \"200ms\"\n"
                   "max_restarts = 2\nmax_seconds = 3600\nretry_delay = \"never\"\n"};
  peeperd.start();
  peeperd.await([&] { return peeperd.text_fact("hangs", "state") == "down"; });
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "hangs", "x"}) ==
        "-DOWN hangs: more than 2 restarts in 3600 s, last: SIGKILL. Its state is kept; to "
        "start it: peeper start hangs");
  CHECK(peeperd.fact("hangs", "crashes") == 3);
  CHECK(peeperd.worker("hangs") == 0);
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  peeperd.stop();
}
