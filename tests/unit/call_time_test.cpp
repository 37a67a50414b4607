// How long a call takes: what the estimate makes of steady, mixed and suddenly different calls.
#include <doctest/doctest.h>

#include <random>

#include "worker/runtime/call_time.hpp"

using peeper::worker::CallTime;

TEST_CASE("call time: before anything was measured nothing is too long") {
  CHECK(CallTime{}.most_of_them() == 0);
  CallTime fresh;
  fresh.passed_by();
  CHECK(fresh.most_of_them() == 0);
}

TEST_CASE("call time: of calls that all take the same it is that") {
  CallTime time;
  for (int i = 0; i < 200; ++i) time.took(1'000'000);
  CHECK(time.most_of_them() >= 1'000'000);
  CHECK(time.most_of_them() < 1'010'000);
}

TEST_CASE("call time: most calls of a mix take less, and it is not far above the longest") {
  std::mt19937 random{1};
  std::uniform_int_distribution<std::uint64_t> ns{500'000, 1'500'000};
  CallTime time;
  int longer = 0;
  for (int i = 0; i < 10'000; ++i) {
    const std::uint64_t sample = ns(random);
    if (i > 100 && sample > time.most_of_them()) ++longer;
    time.took(sample);
    if (i > 100) CHECK(time.most_of_them() < 4'000'000);
  }
  CHECK(longer < 100);
}

TEST_CASE("call time: one that took very long is forgotten after a few that didn't") {
  CallTime time;
  for (int i = 0; i < 100; ++i) time.took(1'000'000);
  time.took(3'000'000'000);
  CHECK(time.most_of_them() > 1'000'000'000);
  int calls = 0;
  for (; time.most_of_them() > 2'000'000; ++calls) time.took(1'000'000);
  CHECK(calls < 80);
}

TEST_CASE("call time: an estimate that lets nobody in doesn't last, nor is it gone at once") {
  CallTime time;
  time.took(UINT64_MAX);
  CHECK(time.most_of_them() > 3'600'000'000'000);
  int passed_by = 0;
  for (; time.most_of_them() > 1'000'000'000; ++passed_by) time.passed_by();
  CHECK(passed_by > 1'000);
  CHECK(passed_by < 10'000);

  CallTime steady;
  for (int i = 0; i < 200; ++i) steady.took(1'000'000);
  for (int i = 0; i < 9; ++i) steady.passed_by();
  CHECK(steady.most_of_them() > 950'000);
}
