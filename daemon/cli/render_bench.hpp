// What `peeper bench` has measured, for people and for programs. Pure.
#pragma once

#include <string>

#include "common/load/load.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/cli/render_text.hpp"

namespace peeper::cli {

// Within 80 columns, but for a long message or error; ends in a line end.
[[nodiscard]] std::string render_bench(const Options& options, const load::Tally& tally,
                                       Target target);

// {"server", "message", "arguments", "clients", "pipeline", "requests", "errors", "first_error",
//  "seconds", "requests_per_second", "latency_us": {"min", "mean", "p50", "p90", "p99", "p99.9",
//  "max"}, "histogram": [{"from_us", "to_us", "requests"}, …]}, on one line without its end.
// "first_error" is null when there was none.
[[nodiscard]] std::string render_bench_json(const Options& options, const load::Tally& tally);

// 1234 ns as "1.23 us": three digits, ns to s.
[[nodiscard]] std::string short_time(double ns);

}  // namespace peeper::cli
