// No worker starts on what another one left, before a keeper has seen to it.
#include <doctest/doctest.h>

#include "acts.hpp"
#include "twin.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// The worker says why to stderr, and ends with status 1: worth another try, after a recovery.
void check_refused(Stage& stage) {
  const std::vector<std::byte> before = heap_of(stage.segment());
  const std::uint64_t sequence = stage.segment().control().committed.load();
  CHECK_THROWS_WITH(stage.start_worker(), doctest::Contains("ended with status 256"));
  CHECK(heap_of(stage.segment()) == before);
  CHECK(stage.segment().control().committed.load() == sequence);
}

}  // namespace

TEST_CASE("a worker is refused on a segment that was not recovered since the last one") {
  Stage stage{counter_server()};
  const Act act = increment(stage);
  SUBCASE("which died in a message") {
    const Sides sides = enter(stage, act);
    const segment::Control& control = stage.segment().control();
    while (heap_of(stage.segment()) == sides.before) REQUIRE(stage.worker().step());
    const segment::Death death = stage.kill_worker();
    CHECK(control.journal.count.load() > 0);
    check_refused(stage);
    (void)stage.recover(death);
    CHECK(heap_of(stage.segment()) == sides.before);
    stage.start_worker();
    CHECK(stage.take_replies() == Strings{sides.error});
  }
  SUBCASE("which was idle") {
    stage.start_worker();
    const segment::Death death = stage.kill_worker();
    check_refused(stage);
    (void)stage.recover(death);
    stage.start_worker();
  }
  CHECK(stage.call({"state"}) == ":41\r\n");
}
