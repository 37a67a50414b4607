#include "daemon/cli/render_bench.hpp"

#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "common/json/json_text.hpp"
#include "common/utf8.hpp"

namespace peeper::cli {
namespace {

namespace json = boost::json;
using load::Latencies;

constexpr double kNsInUs = 1000;
constexpr int kBarColumns = 40;
constexpr std::array<const char*, 4> kUnits{"ns", "us", "ms", "s"};

struct Figure {
  const char* name;
  double ns;
};

std::array<Figure, 7> figures_of(const Latencies& latencies) {
  const auto quantile = [&](double share) {
    return static_cast<double>(latencies.quantile(share));
  };
  return {{{"min", static_cast<double>(latencies.least())},
           {"mean", latencies.mean()},
           {"p50", quantile(0.5)},
           {"p90", quantile(0.9)},
           {"p99", quantile(0.99)},
           {"p99.9", quantile(0.999)},
           {"max", static_cast<double>(latencies.most())}}};
}

struct Bar {
  std::uint64_t begin_ns;
  std::uint64_t end_ns;
  std::uint64_t count;
};

// 1, 2, 5, 10, 20, 50, … us, from the first bar with something in it to the last.
std::vector<Bar> bars_of(const Latencies& latencies) {
  std::vector<Bar> bars;
  std::uint64_t begin = 0;
  for (std::uint64_t decade = 1000; begin <= latencies.most(); decade *= 10) {
    for (const std::uint64_t factor : {1, 2, 5}) {
      const std::uint64_t end = decade * factor;
      const std::uint64_t count = latencies.count_between(begin, end);
      if (count > 0 || !bars.empty()) bars.push_back({begin, end, count});
      begin = end;
    }
    if (decade > UINT64_MAX / 100) break;
  }
  while (!bars.empty() && bars.back().count == 0) bars.pop_back();
  return bars;
}

template <class... Values>
std::string format(const char* form, Values... values) {
  char text[160];
  std::snprintf(text, sizeof text, form, values...);
  return text;
}

// Of the end of a bar, which needs no fractions.
std::string round_time(std::uint64_t ns) {
  std::size_t unit = 0;
  for (; unit + 1 < kUnits.size() && ns >= 1000; ++unit) ns /= 1000;
  return std::to_string(ns) + " " + kUnits[unit];
}

std::string shown(const std::string& text, Target target) {
  return target == Target::kTerminal ? escape_control(text) : text;
}

std::string joined(const Options& options) {
  std::string text;
  for (const std::string& word : options.words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string count_of(std::uint64_t count, const char* what) {
  return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

json::string utf8(std::string_view bytes) { return json::string(valid_utf8(bytes)); }

}  // namespace

std::string short_time(double ns) {
  std::size_t unit = 0;
  // 999.5 would be shown as 1000.
  while (unit + 1 < kUnits.size() && ns >= 999.5) {
    ns /= 1000;
    ++unit;
  }
  const int digits = ns >= 99.95 || unit == 0 ? 0 : ns >= 9.995 ? 1 : 2;
  return format("%.*f %s", digits, ns, kUnits[unit]);
}

std::string render_bench(const Options& options, const load::Tally& tally, Target target) {
  std::string text = "CALL " + shown(joined(options), target) + "\n";
  text += count_of(options.bench.clients, options.bench.channel ? "channel" : "client") + ", pipeline " +
          std::to_string(options.bench.pipeline) + ": " + count_of(tally.answers(), "answer") +
          format(" in %.3f s\n\n", tally.seconds());
  text += format("throughput  %.0f requests/s\n", tally.per_second());
  text += "errors      " + std::to_string(tally.errors) + "\n";
  if (tally.errors > 0) text += "the first   " + shown(tally.first_error, target) + "\n";
  text += "\nlatency";
  for (const Figure& figure : figures_of(tally.latencies)) text += format("%10s", figure.name);
  text += "\n       ";
  for (const Figure& figure : figures_of(tally.latencies))
    text += format("%10s", short_time(figure.ns).c_str());
  text += "\n\n";
  const std::vector<Bar> bars = bars_of(tally.latencies);
  std::uint64_t longest = 1;
  for (const Bar& bar : bars) longest = std::max(longest, bar.count);
  for (const Bar& bar : bars) {
    const double share = static_cast<double>(bar.count) / static_cast<double>(longest);
    const auto columns = static_cast<std::size_t>(std::ceil(share * kBarColumns));
    text += format("< %-7s %10llu %6.2f %%", round_time(bar.end_ns).c_str(),
                   static_cast<unsigned long long>(bar.count),
                   100 * static_cast<double>(bar.count) / static_cast<double>(tally.answers()));
    text += (columns > 0 ? " " : "") + std::string(columns, '#') + "\n";
  }
  return text;
}

std::string render_bench_json(const Options& options, const load::Tally& tally) {
  json::array arguments;
  for (std::size_t i = 2; i < options.words.size(); ++i)
    arguments.push_back(utf8(options.words[i]));
  json::object latency;
  for (const Figure& figure : figures_of(tally.latencies))
    latency[figure.name] = figure.ns / kNsInUs;
  json::array histogram;
  for (const Bar& bar : bars_of(tally.latencies))
    histogram.push_back({{"from_us", static_cast<double>(bar.begin_ns) / kNsInUs},
                         {"to_us", static_cast<double>(bar.end_ns) / kNsInUs},
                         {"requests", bar.count}});
  json::object object{{"server", utf8(options.words.at(0))},
                      {"message", utf8(options.words.at(1))},
                      {"arguments", std::move(arguments)},
                      {"clients", options.bench.clients},
                      {"channel", options.bench.channel},
                      {"pipeline", options.bench.pipeline},
                      {"requests", tally.answers()},
                      {"errors", tally.errors},
                      {"first_error", nullptr},
                      {"seconds", tally.seconds()},
                      {"requests_per_second", tally.per_second()},
                      {"latency_us", std::move(latency)},
                      {"histogram", std::move(histogram)}};
  if (tally.errors > 0) object["first_error"] = utf8(tally.first_error);
  return json_text(object);
}

}  // namespace peeper::cli
