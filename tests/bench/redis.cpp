#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <string>

#include "bench.hpp"
#include "instance.hpp"
#include "require.hpp"

namespace peeper::bench {
namespace {

struct Shape {
  const char* what;
  const char* clients;
  const char* pipeline;
  const char* requests;
};

constexpr Shape kShapes[] = {
    {"1 client", "1", "1", "50000"},
    {"50 clients", "50", "1", "200000"},
    {"50 clients, pipeline 16", "50", "16", "1000000"},
    {"1 client, pipeline 100", "1", "100", "1000000"},
};

// Requests a second, from redis-benchmark's CSV.
double requests_per_second(const std::string& socket, const Shape& shape,
                           const std::vector<std::string>& command) {
  std::vector<std::string> words{"redis-benchmark", "-s", socket,        "--csv", "-c",
                                 shape.clients,     "-P", shape.pipeline, "-n",   shape.requests};
  words.insert(words.end(), command.begin(), command.end());
  const test::Ran ran = test::run({words, {}, {}, {}}, {}, std::chrono::minutes{2});
  std::istringstream lines{ran.out};
  std::string line;
  double rate = 0;
  while (std::getline(lines, line)) {
    // "name","rps","avg",…
    const auto first = line.find("\",\"");
    if (line.starts_with("\"test\"") || first == std::string::npos) continue;
    rate = std::atof(line.c_str() + first + 3);
  }
  test::require(rate > 0, "redis-benchmark gave no figure:\n" + ran.out + ran.err);
  return rate;
}

}  // namespace

void compare_with_redis(const Settings& settings) {
  test::Instance peeperd{test::counter_config()};
  peeperd.start();

  const std::string socket = (peeperd.directory() / "redis.sock").string();
  test::Process redis{{{"redis-server", "--port", "0", "--unixsocket", socket, "--save", "",
                        "--appendonly", "no"},
                       {},
                       peeperd.directory(),
                       (peeperd.directory() / "redis.log").string()}};
  peeperd.await([&] { return Connection::connect(socket).has_value(); });

  std::printf("\nredis-benchmark, requests a second (median of %d interleaved runs)\n",
              settings.runs);
  std::printf("  %-28s %14s %14s %8s\n", "", "CALL inc", "Redis INCR", "ratio");
  for (const Shape& shape : kShapes) {
    std::vector<double> ours;
    std::vector<double> theirs;
    std::vector<double> ratios;
    for (int run = 0; run < settings.runs; ++run) {
      ours.push_back(requests_per_second(peeperd.socket(), shape, {"CALL", "counter", "inc"}));
      theirs.push_back(requests_per_second(socket, shape, {"INCR", "counter"}));
      ratios.push_back(ours.back() / theirs.back());
    }
    std::printf("  %-28s %14.0f %14.0f %8.2f\n", shape.what, quantile(ours, 0.5),
                quantile(theirs, 0.5), quantile(ratios, 0.5));
  }
  peeperd.stop();
}

}  // namespace peeper::bench
