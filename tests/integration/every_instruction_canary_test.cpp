// The alarm must ring: a worker built with PEEPER_CANARY_OMIT_PRE_IMAGE, which leaves out one
// page's pre-image in each message, on the same stage as the real one.
#include <doctest/doctest.h>

#include "instance.hpp"
#include "walk.hpp"

using namespace peeper::test;

namespace {

constexpr const char* kFault = "the heap differs at byte";

// Everything is well but for steps after which the heap is not what it was.
void is_found_out(const Server& server, Act (*make)(Stage&)) {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Stage stage{server, PEEPER_CANARY_WORKER};
  const Act act = make(stage);
  const Tally tally = kill_everywhere(stage, act, {seed, 2000});
  MESSAGE("'" << act.message[0] << "': " << tally);
  CHECK(tally.wrong > 0);
  CHECK(tally.wrong < tally.dropped);
  CHECK(tally.first_wrong.starts_with(kFault));

  // And by a real kill.
  const Sides sides = rehearse(stage, act);
  const Length length = measure(stage, act);
  (void)enter(stage, act);
  walk_to(stage, length, length.before_callback + length.of_callback);
  (void)stage.recover(stage.kill_worker());
  const Finding finding = look_at(stage.segment(), sides);
  CHECK(finding.outcome == Outcome::kDropped);
  CHECK(finding.fault.starts_with(kFault));
}

}  // namespace

TEST_CASE("canary: a page written without its pre-image is found at some instruction") {
  is_found_out(counter_server(), increment);
}

TEST_CASE("canary: a hot page written without its pre-image is found at some instruction") {
  is_found_out(counter_server(), increment_when_hot);
}

TEST_CASE("canary: one page of several without its pre-image is found at some instruction") {
  is_found_out(ledger_server(), transfer);
}
