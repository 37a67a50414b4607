#include "common/load/latencies.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

using peeper::load::Latencies;

namespace {

std::uint64_t exact_quantile(const std::vector<std::uint64_t>& sorted, double share) {
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

}  // namespace

TEST_SUITE("latencies") {
  TEST_CASE("a quantile is never too low and at most a 128th too high, whatever the times are") {
    std::mt19937_64 random(7);
    for (const int bits : {4, 8, 9, 20, 35, 64}) {
      CAPTURE(bits);
      Latencies latencies;
      std::vector<std::uint64_t> times;
      for (int i = 0; i < 5000; ++i) {
        // As many of each length as of any other.
        const int width = 1 + static_cast<int>(random() % static_cast<std::uint64_t>(bits));
        times.push_back(random() >> (64 - width));
        latencies.add(times.back());
      }
      std::sort(times.begin(), times.end());
      for (const double share : {0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
        CAPTURE(share);
        const std::uint64_t exact = exact_quantile(times, share);
        const std::uint64_t quantile = latencies.quantile(share);
        CHECK(quantile >= exact);
        CHECK(quantile - exact <= exact / 128);
      }
    }
  }

  TEST_CASE("times up to 255 ns are exact") {
    for (std::uint64_t ns = 0; ns < 256; ++ns) {
      Latencies latencies;
      latencies.add(ns);
      latencies.add(1'000'000);
      CHECK(latencies.quantile(0.5) == ns);
    }
  }

  TEST_CASE("the least, the most and the mean are exact, and nothing is beyond them") {
    Latencies latencies;
    for (const std::uint64_t ns : {1'000'003, 2'000'001, 3'000'002}) latencies.add(ns);
    CHECK(latencies.count() == 3);
    CHECK(latencies.least() == 1'000'003);
    CHECK(latencies.most() == 3'000'002);
    CHECK(latencies.mean() == doctest::Approx(2'000'002));
    CHECK(latencies.quantile(1) == 3'000'002);
    CHECK(latencies.quantile(7) == 3'000'002);
  }

  TEST_CASE("no time is too short or too long") {
    Latencies latencies;
    latencies.add(0);
    CHECK(latencies.quantile(0.5) == 0);
    latencies.add(UINT64_MAX);
    CHECK(latencies.quantile(1) == UINT64_MAX);
    CHECK(latencies.least() == 0);
    CHECK(latencies.most() == UINT64_MAX);
    for (int bit = 0; bit < 64; ++bit) {
      Latencies one;
      one.add(std::uint64_t{1} << bit);
      CHECK(one.quantile(0.5) == std::uint64_t{1} << bit);
    }
  }

  TEST_CASE("where nothing was added, all is 0") {
    const Latencies latencies;
    CHECK(latencies.count() == 0);
    CHECK(latencies.least() == 0);
    CHECK(latencies.most() == 0);
    CHECK(latencies.mean() == 0);
    CHECK(latencies.quantile(0.5) == 0);
  }

  TEST_CASE("merged, two are as one that was given all") {
    std::mt19937_64 random(11);
    Latencies all;
    Latencies left;
    Latencies right;
    for (int i = 0; i < 4000; ++i) {
      const std::uint64_t ns = random() >> (random() % 60);
      all.add(ns);
      (i % 3 == 0 ? left : right).add(ns);
    }
    left.merge(right);
    left.merge(Latencies());
    CHECK(left.count() == all.count());
    CHECK(left.least() == all.least());
    CHECK(left.most() == all.most());
    CHECK(left.mean() == doctest::Approx(all.mean()));
    for (const double share : {0.01, 0.5, 0.99, 0.999})
      CHECK(left.quantile(share) == all.quantile(share));
  }

  TEST_CASE("what is counted between adjoining ends is all there is") {
    std::mt19937_64 random(13);
    Latencies latencies;
    for (int i = 0; i < 4000; ++i) latencies.add(random() >> (random() % 60));
    std::uint64_t sum = latencies.count_between(0, 1000);
    std::uint64_t begin = 1000;
    for (; begin < UINT64_MAX / 10; begin *= 10) sum += latencies.count_between(begin, begin * 10);
    sum += latencies.count_between(begin, UINT64_MAX);
    CHECK(sum == latencies.count());
    Latencies few;
    for (const std::uint64_t ns : {10, 20, 21, 29}) few.add(ns);
    CHECK(few.count_between(20, 29) == 2);
  }
}
