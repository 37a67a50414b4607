// The real keeper, killed at every machine instruction of a recovery: the next one recovers the
// same bytes.
#include <doctest/doctest.h>

#include <algorithm>

#include "common/segment/judgement.hpp"
#include "instance.hpp"
#include "walk.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// A worker that died in the middle of rehashing: some pages are in the journal, and changed.
struct HalfDone {
  Stage stage{ledger_server()};
  Act act{rehashing_insert(stage)};
  Sides sides{enter(stage, act)};
  segment::Death death;
  Stage::Image image;

  HalfDone() {
    const segment::Control& control = stage.segment().control();
    const auto some_pages_saved = [&] {
      return control.journal.sequence.load() == sides.sequence + 1 &&
             control.journal.count.load() >= 3;
    };
    while (!some_pages_saved()) REQUIRE(stage.worker().step());
    for (int i = 0; i < 10'000; ++i) REQUIRE(stage.worker().step());
    death = stage.kill_worker();
    REQUIRE(control.committed.load() == sides.sequence);
    REQUIRE(heap_of(stage.segment()) != sides.before);
    sides.after = sides.before;  // whatever happens now, it did not happen
    image = stage.image();
  }
};

// From having been asked until the daemon is told; `look` is called before each instruction and
// after the last. Returns how many there were.
template <class Look>
std::uint64_t walk_recovery(HalfDone& half, launch::ToDaemon& told, Look look) {
  half.stage.ask_to_recover(half.death);
  for (std::uint64_t steps = 0;; ++steps) {
    look();
    if (half.stage.is_recovered(told)) return steps;
    REQUIRE(half.stage.keeper().step());
  }
}

}  // namespace

TEST_CASE("every instruction: a recovery killed at any leaves the next one the same bytes") {
  HalfDone half;
  Twin twin{half.stage};
  std::vector<std::byte> expected;
  std::uint64_t states = 0;
  std::uint64_t wrong = 0;
  std::uint64_t unguarded = 0;
  std::string first_wrong;
  bool agrees = true;
  launch::ToDaemon told{};
  const std::uint64_t steps = walk_recovery(half, told, [&] {
    if (twin.take_over()) {
      // From its first change to its last, no worker may come in between.
      if (states > 0 && !half.stage.segment().is_claimed(segment::Role::kWorker)) ++unguarded;
      ++states;
      const Finding finding = twin.recover(half.death, half.sides);
      const auto bytes = twin.recovered();
      if (expected.empty()) expected.assign(bytes.begin(), bytes.end());
      agrees = finding.outcome == Outcome::kDropped && finding.fault.empty() &&
               std::ranges::equal(bytes, expected);
      if (!agrees && first_wrong.empty())
        first_wrong = "state " + std::to_string(states) + ": " + finding.fault;
    }
    if (!agrees) ++wrong;
  });
  MESSAGE("instructions: " << steps << ", all looked at, in different states: " << states
                           << "; pages restored: " << told.pages_restored);
  CHECK(wrong == 0);
  CHECK(first_wrong == "");
  CHECK(unguarded == 0);
  CHECK(steps > 500);
  CHECK(states > 10);
  CHECK(told.event == launch::Event::kRecovered);
  CHECK(told.verdict == static_cast<std::uint32_t>(segment::Verdict::kDrop));
  CHECK(told.pages_restored >= 3);
  CHECK(look_at(half.stage.segment(), half.sides).fault == "");
}

TEST_CASE("every instruction: a keeper really killed in a recovery, and one that ends it") {
  const std::uint32_t seed = fresh_seed();
  CAPTURE(seed);
  HalfDone half;
  Stage& stage = half.stage;
  launch::ToDaemon told{};
  Length length;
  length.steps = walk_recovery(half, told, [] {});
  const auto chosen = steps_to_kill_at(length, seed);
  for (const std::uint64_t step : chosen) {
    CAPTURE(step);
    stage.restore(half.image);
    stage.start_keeper();
    stage.ask_to_recover(half.death);
    for (std::uint64_t done = 0; done < step && !stage.is_recovered(told); ++done)
      REQUIRE(stage.keeper().step());
    stage.keeper().kill();

    stage.start_keeper();
    (void)stage.recover(half.death);
    const Finding finding = look_at(stage.segment(), half.sides);
    CHECK(finding.outcome == Outcome::kDropped);
    CHECK(finding.fault == "");
    stage.start_worker();
    CHECK(stage.take_replies() == Strings{half.sides.error});
    for (const Act::Question& question : half.act.questions)
      CHECK(stage.call(question.ask) == question.before);
  }
  MESSAGE("seed " << seed << ": kills: " << chosen.size() << " at " << length.steps
          << " instructions");
}
