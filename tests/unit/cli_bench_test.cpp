// `peeper bench`: its options, and what it makes of a tally.
#include <doctest/doctest.h>

#include <boost/json.hpp>
#include <string>
#include <variant>
#include <vector>

#include "cli_parsed.hpp"
#include "common/load/load.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/cli/render_bench.hpp"

using namespace peeper::cli;
using peeper::test::parsed;
using peeper::test::Words;
using namespace std::chrono_literals;
using peeper::load::Tally;
namespace json = boost::json;

namespace {

std::string refused(const Words& arguments) {
  const auto result = parse_options(arguments);
  REQUIRE(std::holds_alternative<Usage>(result));
  CHECK(std::get<Usage>(result).exit_code == kUsage);
  return std::get<Usage>(result).text;
}

Tally tally_of(const std::vector<std::uint64_t>& times) {
  Tally tally;
  for (const std::uint64_t ns : times) tally.latencies.add(ns);
  tally.time = 2s;
  return tally;
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("bench command") {
  TEST_CASE("options have defaults, and stand before SERVER MESSAGE") {
    const Options plain = parsed({"bench", "counter", "inc"});
    CHECK(plain.bench.clients == 1);
    CHECK(plain.bench.pipeline == 1);
    CHECK(plain.bench.requests == 100'000);
    const Options options =
        parsed({"bench", "-c", "5", "-P", "16", "-n7", "--timeout", "250", "counter", "add", "-5"});
    CHECK(options.bench.clients == 5);
    CHECK(options.bench.pipeline == 16);
    CHECK(options.bench.requests == 7);
    CHECK(options.words == Words{"counter", "add", "-5"});
    CHECK(options.call_timeout == 250ms);
    CHECK(waiting_time(options) == 1250ms);
    CHECK(parsed({"bench", "counter", "inc", "-c", "9"}).words ==
          Words{"counter", "inc", "-c", "9"});
  }

  TEST_CASE("what can't be is refused with what could") {
    CHECK(has(refused({"bench", "-c", "0", "s", "m"}),
              "--clients: Value 0 not in range 1 to 10000"));
    CHECK(has(refused({"bench", "-c", "10001", "s", "m"}), "--clients"));
    CHECK(has(refused({"bench", "-P", "10001", "s", "m"}), "1 to 10000"));
    CHECK(has(refused({"bench", "-n", "many", "s", "m"}), "--requests"));
    CHECK(has(refused({"bench", "-n", "-1", "s", "m"}), "--requests"));
    CHECK(has(refused({"bench", "-n", "1000000001", "s", "m"}), "1 to 1000000000"));
    CHECK(has(refused({"bench", "--timeout", "0", "s", "m"}), "--timeout"));
    CHECK(has(refused({"bench", "-c", "5", "-n", "4", "s", "m"}),
              "4 calls are too few for 5 clients"));
    CHECK(has(refused({"bench", "s"}), "MESSAGE is required"));
  }

  TEST_CASE("the report has throughput, errors, latencies and a bar for each step") {
    const Options options = parsed({"bench", "-c", "2", "-P", "3", "counter", "inc"});
    Tally tally = tally_of({15'000, 15'000, 15'000, 30'000, 4'000'000});
    CHECK(render_bench(options, tally, Target::kPipe) ==
          "CALL counter inc\n"
          "2 clients, pipeline 3: 5 answers in 2.000 s\n"
          "\n"
          "throughput  2 requests/s\n"
          "errors      0\n"
          "\n"
          "latency       min      mean       p50       p90       p99     p99.9       max\n"
          "          15.0 us    815 us   15.0 us   4.00 ms   4.00 ms   4.00 ms   4.00 ms\n"
          "\n"
          "< 20 us            3  60.00 % ########################################\n"
          "< 50 us            1  20.00 % ##############\n"
          "< 100 us           0   0.00 %\n"
          "< 200 us           0   0.00 %\n"
          "< 500 us           0   0.00 %\n"
          "< 1 ms             0   0.00 %\n"
          "< 2 ms             0   0.00 %\n"
          "< 5 ms             1  20.00 % ##############\n");
    tally.errors = 2;
    tally.first_error = "BADARG \x1b[2J";
    CHECK(has(render_bench(options, tally, Target::kTerminal),
              "\nerrors      2\nthe first   BADARG \\x1b[2J\n"));
  }

  TEST_CASE("the report fits 80 columns, whatever was measured") {
    const Options options = parsed({"bench", "counter", "inc"});
    for (const std::uint64_t ns : {std::uint64_t{0}, std::uint64_t{999}, std::uint64_t{99'999'999},
                                   std::uint64_t{86'400'000'000'000}, UINT64_MAX}) {
      Tally tally = tally_of({ns, 1, 1000});
      for (int i = 0; i < 100'000; ++i) tally.latencies.add(500);
      const std::string text = render_bench(options, tally, Target::kPipe);
      CAPTURE(text);
      std::size_t longest = 0;
      std::size_t begin = 0;
      for (std::size_t end = 0; (end = text.find('\n', begin)) != std::string::npos;
           begin = end + 1)
        longest = std::max(longest, end - begin);
      CHECK(longest <= 80);
    }
  }

  TEST_CASE("times are shown with three digits") {
    CHECK(short_time(0) == "0 ns");
    CHECK(short_time(999) == "999 ns");
    CHECK(short_time(1000) == "1.00 us");
    CHECK(short_time(9'994) == "9.99 us");
    CHECK(short_time(9'996) == "10.0 us");
    CHECK(short_time(99'960) == "100 us");
    CHECK(short_time(999'600) == "1.00 ms");
    CHECK(short_time(12'340'000'000) == "12.3 s");
  }

  TEST_CASE("as JSON it is one object") {
    const Options options = parsed({"bench", "-c", "2", "counter", "add", "\xff"});
    Tally tally = tally_of({15'000, 15'000, 250'000});
    const json::value value = json::parse(render_bench_json(options, tally));
    CHECK(value.at("server") == "counter");
    CHECK(value.at("message") == "add");
    CHECK(value.at("arguments").at(0) == "\uFFFD");
    CHECK(value.at("clients") == 2);
    CHECK(value.at("requests") == 3);
    CHECK(value.at("errors") == 0);
    CHECK(value.at("first_error").is_null());
    CHECK(value.at("seconds") == 2.0);
    CHECK(value.at("requests_per_second") == 1.5);
    CHECK(value.at("latency_us").at("min") == 15.0);
    CHECK(value.at("latency_us").at("max") == 250.0);
    const json::array& bars = value.at("histogram").as_array();
    REQUIRE(bars.size() == 5);
    CHECK(bars.front() == json::value{{"from_us", 10.0}, {"to_us", 20.0}, {"requests", 2}});
    CHECK(bars.back() == json::value{{"from_us", 200.0}, {"to_us", 500.0}, {"requests", 1}});
    tally.errors = 1;
    tally.first_error = "ERR no";
    CHECK(json::parse(render_bench_json(options, tally)).at("first_error") == "ERR no");
  }
}
