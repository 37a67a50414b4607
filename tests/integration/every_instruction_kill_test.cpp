// Real kills: after k instructions of a message the worker is killed, the real keeper recovers, a
// new worker goes on. Each time all processes are fresh and the segment is as it was.
#include <doctest/doctest.h>

#include "common/segment/judgement.hpp"
#include "instance.hpp"
#include "walk.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

struct Killed {
  std::uint64_t not_begun = 0;
  std::uint64_t dropped = 0;
  std::uint64_t committed = 0;
};

void kill_at(Stage& stage, const Act& act, Sides sides, const Length& length, std::uint64_t step,
             Killed& killed) {
  CAPTURE(step);
  REQUIRE(enter(stage, act).before == sides.before);
  walk_to(stage, length, step);
  const segment::Death death = stage.kill_worker();
  take_own_commit(stage, sides);
  const launch::ToDaemon told = stage.recover(death);
  const Finding finding = look_at(stage.segment(), sides);
  CHECK(finding.fault == "");
  const bool dropped = finding.outcome == Outcome::kDropped;
  CHECK((told.verdict == static_cast<std::uint32_t>(segment::Verdict::kDrop)) == dropped);
  // What the keeper found: the drop is a commit of its own.
  CHECK(told.sequence ==
        sides.sequence + (finding.outcome == Outcome::kCommitted ? 1U : 0U));
  switch (finding.outcome) {
    case Outcome::kNotBegun: ++killed.not_begun; break;
    case Outcome::kDropped: ++killed.dropped; break;
    case Outcome::kCommitted: ++killed.committed; break;
  }

  // The next worker does what is left to do, and goes on from there.
  stage.start_worker();
  CHECK(stage.take_replies() == Strings{dropped ? sides.error : sides.reply});
  const bool in_turn = finding.outcome == Outcome::kNotBegun;
  for (const Act::Question& question : act.questions)
    CHECK(stage.call(question.ask) == (dropped                                 ? question.before
                                       : in_turn && !question.in_turn.empty() ? question.in_turn
                                                                               : question.after));
}

void kill_often(const Server& server, Act (*make)(Stage&)) {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  Stage stage{server};
  const Act act = make(stage);
  const Sides sides = rehearse(stage, act);
  const Length length = measure(stage, act);
  const auto steps = steps_to_kill_at(length, seed);
  Killed killed;
  for (const std::uint64_t step : steps) kill_at(stage, act, sides, length, step, killed);
  MESSAGE("'" << act.message[0] << "', seed " << seed << ": kills: " << steps.size() << " at "
              << length.steps << " instructions; not begun: " << killed.not_begun << ", undone: "
              << killed.dropped << ", committed: " << killed.committed);
  CHECK(killed.not_begun > 0);
  CHECK(killed.dropped > 0);
  CHECK(killed.committed > 0);
}

}  // namespace

TEST_CASE("every instruction: a worker really killed in a call") {
  kill_often(counter_server(), increment);
}

TEST_CASE("every instruction: a worker really killed in a call that writes a hot page") {
  kill_often(counter_server(), increment_when_hot);
}

TEST_CASE("every instruction: a worker really killed in a transfer") {
  kill_often(ledger_server(), transfer);
}

TEST_CASE("every instruction: a worker really killed while a table rehashes") {
  kill_often(ledger_server(), rehashing_insert);
}

TEST_CASE("every instruction: a worker really killed while the heap grows") {
  kill_often(kv_server(), growing_allocation);
}

TEST_CASE("every instruction: a worker really killed in a replace_state while it is suspended") {
  kill_often(counter_server(), replacement_when_suspended);
}
