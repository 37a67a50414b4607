// redis-benchmark's figures, of peeperd and redis-server by turns.
#pragma once

#include <string>
#include <vector>

#include "bench.hpp"

namespace peeper::bench {

// A side of a comparison: where to ask, and what; redis-benchmark's own words.
struct Side {
  std::string socket;
  std::vector<std::string> words;
};

// For each of four shapes, from one client that waits for each answer to 50 with pipelines: a row
// with the requests a second of both sides and their ratio, medians of the settings' runs.
void print_header(const Settings& settings, const char* title, const char* ours,
                  const char* theirs);
void print_shapes(const Settings& settings, const char* what, const Side& ours,
                  const Side& theirs);

}  // namespace peeper::bench
