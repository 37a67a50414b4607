#include "redis_benchmark.hpp"

#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "process.hpp"
#include "require.hpp"

namespace peeper::bench {
namespace {

struct Shape {
  const char* what;
  const char* clients;
  const char* pipeline;
  int requests;
};

constexpr int kQuick = 10;  // times fewer requests

constexpr Shape kShapes[] = {
    {"1 client", "1", "1", 50000},
    {"50 clients", "50", "1", 200000},
    {"50 clients, pipeline 16", "50", "16", 1000000},
    {"1 client, pipeline 100", "1", "100", 1000000},
};

// Requests a second, from redis-benchmark's CSV.
double requests_per_second(const Settings& settings, const Side& side, const Shape& shape) {
  const int requests = settings.quick ? shape.requests / kQuick : shape.requests;
  std::vector<std::string> words{"redis-benchmark", "-s",          side.socket, "--csv",
                                 "-c",              shape.clients, "-P",        shape.pipeline,
                                 "-n",              std::to_string(requests)};
  words.insert(words.end(), side.words.begin(), side.words.end());
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

void print_header(const Settings& settings, const char* title, const char* ours,
                  const char* theirs) {
  std::printf("\n%s, redis-benchmark, requests a second (median of %d interleaved runs)\n", title,
              settings.runs);
  std::printf("  %-32s %14s %14s %8s\n", "", ours, theirs, "ratio");
}

void print_shapes(const Settings& settings, const char* what, const Side& ours,
                  const Side& theirs) {
  for (const Shape& shape : kShapes) {
    std::vector<double> our_rates;
    std::vector<double> their_rates;
    std::vector<double> ratios;
    for (int run = 0; run < settings.runs; ++run) {
      our_rates.push_back(requests_per_second(settings, ours, shape));
      their_rates.push_back(requests_per_second(settings, theirs, shape));
      ratios.push_back(our_rates.back() / their_rates.back());
    }
    const std::string name = std::string(what) + shape.what;
    std::printf("  %-32s %14.0f %14.0f %8.2f\n", name.c_str(), quantile(our_rates, 0.5),
                quantile(their_rates, 0.5), quantile(ratios, 0.5));
    std::fflush(stdout);
  }
}

}  // namespace peeper::bench
