// peeper-bench [redis|crash|commit ...]: all of them without arguments.
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "bench.hpp"

int main(int argc, char** argv) {
  using namespace peeper::bench;
  const auto wanted = [&](std::string_view name) {
    for (int i = 1; i < argc; ++i)
      if (name == argv[i]) return true;
    return argc == 1;
  };
  utsname system{};
  ::uname(&system);
  std::printf("%s %s, %ld processors\n", system.sysname, system.release,
              ::sysconf(_SC_NPROCESSORS_ONLN));
  try {
    const Settings settings;
    if (wanted("commit")) bare_commit(settings);
    if (wanted("crash")) crash_to_next_answer(settings);
    if (wanted("redis")) compare_with_redis(settings);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "peeper-bench: %s\n", e.what());
    return 1;
  }
}
