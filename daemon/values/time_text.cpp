#include "daemon/values/time_text.hpp"

#include <cstdio>
#include <ctime>

namespace peeper::daemon {

std::string time_text(std::chrono::system_clock::time_point time) {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch());
  const std::time_t seconds = std::chrono::floor<std::chrono::seconds>(since).count();
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[32];
  const std::size_t bytes = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03dZ",
                static_cast<int>((since.count() % 1000 + 1000) % 1000));
  return std::string(text, bytes) + fraction;
}

std::string time_text(std::uint64_t at_ns) {
  using Clock = std::chrono::system_clock;
  const std::chrono::nanoseconds since{static_cast<std::int64_t>(at_ns)};
  return time_text(Clock::time_point{std::chrono::duration_cast<Clock::duration>(since)});
}

}  // namespace peeper::daemon
