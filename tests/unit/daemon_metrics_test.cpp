// What is counted, and how it is written for Prometheus.
#include <doctest/doctest.h>

#include <random>
#include <string>

#include "daemon/config/values.hpp"
#include "daemon/counts/durations.hpp"
#include "daemon/counts/recent.hpp"
#include "daemon/counts/traffic.hpp"
#include "daemon/metrics/prometheus.hpp"

using namespace peeper;
using namespace peeper::daemon;

namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

}  // namespace

TEST_CASE("metrics: a duration is counted at the first bound that it doesn't pass") {
  Durations<std::uint64_t> durations;
  for (const std::uint64_t ns : {0ULL, 1'000ULL, 1'001ULL, 70'000'000'000ULL, 70'000'000'001ULL})
    durations.add(ns);
  CHECK(durations.counts()[0] == 2);
  CHECK(durations.counts()[1] == 1);
  CHECK(durations.counts()[kDurationBounds - 1] == 1);
  CHECK(durations.counts()[kDurationBounds] == 1);
  CHECK(durations.count() == 5);
  CHECK(durations.sum_ns() == 140'000'002'002);
}

TEST_CASE("metrics: a quantile is between the bounds where the exact one lies") {
  std::mt19937_64 random{7};
  std::lognormal_distribution<double> times{12, 1.5};
  std::vector<std::uint64_t> exact;
  Durations<std::uint64_t> durations;
  for (int i = 0; i < 20'000; ++i) {
    exact.push_back(static_cast<std::uint64_t>(times(random)));
    durations.add(exact.back());
  }
  std::ranges::sort(exact);
  for (const double share : {0.01, 0.5, 0.9, 0.99, 0.999}) {
    const auto wanted =
        static_cast<double>(exact[static_cast<std::size_t>(share * 20'000 - 1)]);
    const auto found = static_cast<double>(durations.quantile(share));
    CHECK(found > wanted / 1.6);
    CHECK(found < wanted * 1.6);
  }
  CHECK(Durations<std::uint64_t>{}.quantile(0.5) == 0);
}

TEST_CASE("metrics: what is recent is forgotten after ten to twelve seconds, without being asked") {
  const std::uint64_t begin = 1'000 * kSecond;
  Recent recent{begin};
  CHECK(recent.look(begin).per_second == 0);
  CHECK(recent.look(begin).p99_ns == 0);
  for (std::uint64_t i = 0; i < 1'000; ++i) recent.add(begin + i * kSecond / 100, 90'000);
  const auto full = recent.look(begin + 10 * kSecond);
  CHECK(full.per_second > 95);
  CHECK(full.per_second < 105);
  CHECK(full.p99_ns > 70'000);
  CHECK(full.p99_ns <= 100'000);
  CHECK(recent.look(begin + 16 * kSecond).per_second < 60);
  CHECK(recent.look(begin + 23 * kSecond).per_second == 0);
  CHECK(recent.look(begin + 23 * kSecond).p99_ns == 0);
  // Much later the same slices are used again.
  recent.add(begin + 3'600 * kSecond, 5'000'000);
  CHECK(recent.look(begin + 3'600 * kSecond).p99_ns > 1'000'000);
}

TEST_CASE("metrics: a rate of the first seconds counts only those") {
  const std::uint64_t begin = 500 * kSecond + 1;
  Recent recent{begin};
  for (int i = 0; i < 50; ++i) recent.add(begin + kSecond, 1'000);
  const double rate = recent.look(begin + 2 * kSecond).per_second;
  CHECK(rate > 20);
  CHECK(rate < 30);
}

TEST_CASE("metrics: errors are known by their first word, whatever form they have") {
  const auto kind = [](std::string_view value) -> std::string_view {
    const std::size_t found = error_kind(value);
    return found == kErrorKinds.size() ? "none" : kErrorKinds[found];
  };
  CHECK(kind("-CRASHED counter: SIGSEGV\r\n") == "CRASHED");
  CHECK(kind("-TIMEOUT x\r\n") == "TIMEOUT");
  CHECK(kind("-ERR\r\n") == "ERR");
  CHECK(kind("-ERRATIC x\r\n") == "other");
  CHECK(kind("-other x\r\n") == "other");
  CHECK(kind("!13\r\nTOOBIG a\r\nb c\r\n") == "TOOBIG");
  CHECK(kind("!") == "other");
  CHECK(kind("+OK\r\n") == "none");
  CHECK(kind("$4\r\n-ERR\r\n") == "none");
  CHECK(kind("") == "none");
}

TEST_CASE("metrics: the text is Prometheus' own, labels escaped, buckets cumulative") {
  PrometheusText text;
  text.family("peeper_calls_total", "counter", "Calls.");
  text.sample({{"server", "a\"b\\c\nd"}, {"kind", "x"}}, std::uint64_t{7});
  text.sample({}, 0.25);
  text.family("peeper_time_seconds", "histogram", "Time.");
  Durations<std::uint64_t> durations;
  durations.add(1'200);
  durations.add(1'700'000);
  durations.add(100'000'000'000);
  text.histogram("s", durations);
  const std::string all = std::move(text).take();
  CHECK(all.starts_with("# HELP peeper_calls_total Calls.\n# TYPE peeper_calls_total counter\n"
                        "peeper_calls_total{server=\"a\\\"b\\\\c\\nd\",kind=\"x\"} 7\n"
                        "peeper_calls_total 0.25\n"
                        "# HELP peeper_time_seconds Time.\n"));
  const auto has = [&](std::string_view line) { return all.find(line) != all.npos; };
  CHECK(has("peeper_time_seconds_bucket{server=\"s\",le=\"1e-06\"} 0\n"));
  CHECK(has("peeper_time_seconds_bucket{server=\"s\",le=\"2e-06\"} 1\n"));
  CHECK(has("peeper_time_seconds_bucket{server=\"s\",le=\"0.001\"} 1\n"));
  CHECK(has("peeper_time_seconds_bucket{server=\"s\",le=\"0.002\"} 2\n"));
  CHECK(has("peeper_time_seconds_bucket{server=\"s\",le=\"50\"} 2\n"));
  CHECK(has("peeper_time_seconds_bucket{server=\"s\",le=\"+Inf\"} 3\n"));
  CHECK(has("peeper_time_seconds_sum{server=\"s\"} 100.0017012\n"));
  CHECK(has("peeper_time_seconds_count{server=\"s\"} 3\n"));
  CHECK(!has("le=\"1.5e-06\""));
}

TEST_CASE("metrics: they are told on this machine only") {
  const auto place = [](std::string_view text) { return config::parse_metrics_place(text); };
  CHECK(place("127.0.0.1:9464")->address == "127.0.0.1");
  CHECK(place("localhost:1")->address == "127.0.0.1");
  CHECK(place("[::1]:65535")->address == "::1");
  CHECK(place("[::1]:65535")->port == 65535);
  CHECK(place("/run/m.sock")->path == "/run/m.sock");
  for (const char* wrong : {"0.0.0.0:9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", ":9464",
                            "127.0.0.1:65536", "127.0.0.1:80x", "192.168.0.1:80", "m.sock", "",
                            "[::]:80", "example.org:80"})
    CHECK_MESSAGE(!place(wrong), wrong);
}
