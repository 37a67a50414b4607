// peeper-bench [PART ...] [large] [quick] [runs=N] [seconds=N] [data=DIR]: all parts if none.
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "bench.hpp"

namespace {

using namespace peeper::bench;

struct Part {
  std::string_view name;
  void (*run)(const Settings&);
};

constexpr Part kParts[] = {
    {"commit", bare_commit},         {"update", update_by_size},
    {"crash", crash_to_next_answer}, {"memory", memory_of_keys},
    {"redis", compare_with_redis},   {"kv", compare_keys_with_redis},
    {"channel", channel_beside_hiredis}, {"restart", crash_or_restart},
    {"scale", scale},                {"overload", overload},
    {"inspect", inspect},
};

int usage() {
  std::string names;
  for (const Part& part : kParts) names += std::string(names.empty() ? "" : "|") + part.name.data();
  std::fprintf(stderr,
               "usage: peeper-bench [%s ...]\n"
               "                    [large] [quick] [runs=N] [seconds=N] [data=DIRECTORY]\n",
               names.c_str());
  return 2;
}

// "name=N", from 1 to a thousand.
bool read_number(std::string_view word, std::string_view name, int& number) {
  if (!word.starts_with(name)) return false;
  const char* end = word.data() + word.size();
  const auto [stopped, error] = std::from_chars(word.data() + name.size(), end, number);
  return error == std::errc() && stopped == end && number >= 1 && number <= 1000;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  settings.data = PEEPER_BENCH_DATA;
  std::vector<std::string_view> wanted;
  for (const std::string_view word : std::vector<std::string_view>(argv + 1, argv + argc)) {
    const auto is_named = [&](const Part& part) { return part.name == word; };
    if (std::ranges::any_of(kParts, is_named)) wanted.push_back(word);
    else if (word == "large") settings.large = true;
    else if (word == "quick") settings.quick = true;
    else if (word.starts_with("data=")) settings.data = word.substr(5);
    else if (!read_number(word, "runs=", settings.runs) &&
             !read_number(word, "seconds=", settings.seconds))
      return usage();
  }
  utsname system{};
  ::uname(&system);
  std::printf("%s %s, %ld processors\n", system.sysname, system.release,
              ::sysconf(_SC_NPROCESSORS_ONLN));
  try {
    for (const Part& part : kParts) {
      if (wanted.empty() || std::ranges::count(wanted, part.name) != 0) part.run(settings);
    }
  } catch (const std::exception& e) {
    std::fprintf(stderr, "peeper-bench: %s\n", e.what());
    return 1;
  }
}
