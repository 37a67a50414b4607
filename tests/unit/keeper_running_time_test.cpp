// How long a listener's call may take, in virtual time.
#include <doctest/doctest.h>

#include <chrono>

#include "keeper/running_time.hpp"

using peeper::keeper::RunningTime;
using namespace std::chrono_literals;

namespace {

constexpr RunningTime::Clock::time_point kStart{1h};

// When it is found out by one who looks each period.
RunningTime::Clock::duration found_after(RunningTime::Milliseconds limit) {
  RunningTime time{limit, kStart};
  auto now = kStart;
  do now += RunningTime::period(limit);
  while (!time.is_over(now));
  return now - kStart;
}

}  // namespace

TEST_CASE("running time: it is over after the limit, and a quarter of that later at the latest") {
  for (const auto limit : {40ms, 100ms, 300ms, 2'000ms, 10'000ms, 600'000ms}) {
    CAPTURE(limit.count());
    CHECK(found_after(limit) >= limit);
    CHECK(found_after(limit) <= limit + limit / 4);
  }
  CHECK(found_after(1ms) == 10ms);  // no shorter period than 5 ms, and two looks
}

TEST_CASE("running time: what passes while nobody can look doesn't count") {
  RunningTime time{2s, kStart};
  auto now = kStart;
  const auto period = RunningTime::period(2s);
  // Stopped for an hour, again and again: each time two periods at most.
  for (int stop = 0; stop < 3; ++stop) CHECK_FALSE(time.is_over(now += 1h));
  CHECK_FALSE(time.is_over(now += period));
  CHECK(time.is_over(now += period));
}

TEST_CASE("running time: never at the first look, however late that comes") {
  for (const auto limit : {1ms, 10ms, 10'000ms})
    CHECK_FALSE(RunningTime{limit, kStart}.is_over(kStart + 24h));
}
