// The parts of peeper-bench. Each prints its own table to stdout.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace peeper::bench {

struct Settings {
  int runs = 5;  // interleaved with the peer's; medians are shown
  bool large = false;  // 10 million keys, too
  bool quick = false;  // redis-benchmark with a tenth of the requests
  int seconds = 60;    // of overload
  std::string data;    // directory of the files for plotting
};

// redis-benchmark against peeperd and redis-server, on the same work.
void compare_with_redis(const Settings& settings);
void compare_keys_with_redis(const Settings& settings);
// A channel's calls, and hiredis's to Redis.
void channel_beside_hiredis(const Settings& settings);
// One random key gets another value, by the number of keys and by the way its page is saved.
void update_by_size(const Settings& settings);
// From a call that segfaults to the answer of the next one; from a signal to it, by size of the
// state.
void crash_to_next_answer(const Settings& settings);
// A million keys: from a crash to the next answer, and a Redis that reads its AOF.
void crash_or_restart(const Settings& settings);
// Throughput, latencies and memory by servers, by connections and by the size of a message.
void scale(const Settings& settings);
// Ten times the calls that can be served: what is answered, when, to whom, and what it takes.
void overload(const Settings& settings);
// A client's calls beside somebody who looks at the server all the while.
void inspect(const Settings& settings);
// A million keys: memory of all processes and of the segment, beside Redis's.
void memory_of_keys(const Settings& settings);
// What the transaction around an empty callback costs, without processes around it.
void bare_commit(const Settings& settings);

// Of the sorted values; `share` from 0 to 1.
template <class T>
T quantile(std::vector<T> values, double share) {
  std::sort(values.begin(), values.end());
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(share * static_cast<double>(values.size())))];
}

}  // namespace peeper::bench
