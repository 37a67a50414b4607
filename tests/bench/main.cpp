// peeper-bench [commit|update|crash|memory|channel|redis ...] [large]: all parts if none is named.
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <string_view>
#include <vector>

#include "bench.hpp"

int main(int argc, char** argv) {
  using namespace peeper::bench;
  const std::vector<std::string_view> words(argv + 1, argv + argc);
  const auto has = [&](std::string_view word) { return std::ranges::count(words, word) != 0; };
  constexpr std::string_view kParts[] = {"commit", "update", "crash", "memory", "channel", "redis"};
  for (const std::string_view word : words) {
    if (word == "large" || std::ranges::count(kParts, word) != 0) continue;
    std::fprintf(stderr, "usage: peeper-bench [commit|update|crash|memory|channel|redis ...] [large]\n");
    return 2;
  }
  const bool all = std::ranges::none_of(kParts, has);
  const auto wanted = [&](std::string_view part) { return all || has(part); };
  utsname system{};
  ::uname(&system);
  std::printf("%s %s, %ld processors\n", system.sysname, system.release,
              ::sysconf(_SC_NPROCESSORS_ONLN));
  try {
    Settings settings;
    settings.large = has("large");
    if (wanted("commit")) bare_commit(settings);
    if (wanted("update")) update_by_size(settings);
    if (wanted("crash")) crash_to_next_answer(settings);
    if (wanted("memory")) memory_of_keys(settings);
    if (wanted("channel")) channel_beside_hiredis(settings);
    if (wanted("redis")) compare_with_redis(settings);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "peeper-bench: %s\n", e.what());
    return 1;
  }
}
