// When a callback counts as hung, by what was seen of it and when.
#include <doctest/doctest.h>

#include "daemon/supervision/watchdog.hpp"

using namespace peeper::daemon;
using namespace std::chrono_literals;

namespace {

using Verdict = Watchdog::Verdict;
constexpr Watchdog::Seen kIdle{};
constexpr Watchdog::Seen kRunning{true, false, 7, 100};

// Looks as often as it wants to, for so long; the first verdict that isn't kFine, and when.
struct Looked {
  Verdict verdict;
  std::chrono::milliseconds after;
};
Looked look_for(Watchdog& dog, const Watchdog::Seen& seen, Instant& now,
                std::chrono::milliseconds time) {
  for (std::chrono::milliseconds passed{0}; passed < time; passed += dog.period()) {
    now += dog.period();
    const Verdict verdict = dog.look(seen, now);
    if (verdict != Verdict::kFine) return {verdict, passed + dog.period()};
  }
  return {Verdict::kFine, time};
}

}  // namespace

TEST_CASE("a callback that goes on for too long is aborted, and killed if that doesn't end it") {
  for (const auto limit : {40ms, 1000ms, 5000ms, 60'000ms}) {
    CAPTURE(limit.count());
    Watchdog dog{limit};
    Instant now{};
    CHECK(look_for(dog, kIdle, now, 10 * limit).verdict == Verdict::kFine);
    const Looked aborted = look_for(dog, kRunning, now, 10 * limit);
    CHECK(aborted.verdict == Verdict::kAbort);
    CHECK(aborted.after >= limit);
    CHECK(aborted.after <= limit + limit / 4 + dog.period());
    CHECK(dog.has_struck());
    const Looked killed = look_for(dog, kRunning, now, 10'000ms);
    CHECK(killed.verdict == Verdict::kKill);
    CHECK(killed.after >= 1000ms);
    CHECK(killed.after <= 1000ms + 2 * dog.period());
    dog.forget();
    CHECK_FALSE(dog.has_struck());
    CHECK(look_for(dog, kRunning, now, limit).verdict == Verdict::kFine);
  }
}

TEST_CASE("many short callbacks are no long one") {
  Watchdog dog{1s};
  Instant now{};
  Watchdog::Seen seen = kRunning;
  for (int i = 0; i < 1000; ++i) {
    now += dog.period();
    // The same message, tried again, is another callback.
    (i % 2 == 0 ? seen.sequence : seen.started_at) += 1;
    REQUIRE(dog.look(seen, now) == Verdict::kFine);
  }
}

TEST_CASE("time in which nobody looked doesn't count") {
  Watchdog dog{1s};
  Instant now{};
  REQUIRE(dog.look(kRunning, now) == Verdict::kFine);
  // Four times the whole tree was stopped for an hour.
  for (int i = 0; i < 3; ++i) {
    now += 1h;
    CHECK(dog.look(kRunning, now) == Verdict::kFine);
  }
  now += 1h;
  CHECK(dog.look(kRunning, now) == Verdict::kAbort);
}

TEST_CASE("a worker that is stopped or traced takes as long as it likes") {
  Watchdog dog{1s};
  Instant now{};
  Watchdog::Seen held = kRunning;
  held.is_held = true;
  REQUIRE(look_for(dog, kRunning, now, 800ms).verdict == Verdict::kFine);
  CHECK(look_for(dog, held, now, 1h).verdict == Verdict::kFine);
  // And has its whole time after that.
  CHECK(look_for(dog, kRunning, now, 1000ms).verdict == Verdict::kFine);
  CHECK(look_for(dog, kRunning, now, 500ms).verdict == Verdict::kAbort);
}
