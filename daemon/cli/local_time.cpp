#include "daemon/cli/local_time.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>

#include "common/utf8.hpp"

namespace peeper::cli {
namespace {

std::string text_of(std::time_t seconds, int milliseconds, Digits digits) {
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char text[64];
  std::snprintf(text, sizeof text, "%02d:%02d:%02d.%03d", local.tm_hour, local.tm_min,
                local.tm_sec, milliseconds);
  std::string all = text;
  if (digits == Digits::kSeconds) all.resize(all.find('.'));
  return all;
}

}  // namespace

std::string time_of_day_now(Digits digits) {
  const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::system_clock::now().time_since_epoch());
  return text_of(since.count() / 1000, static_cast<int>(since.count() % 1000), digits);
}

std::string time_of_day(const std::string& time) {
  std::tm parts{};
  int milliseconds = 0;
  if (std::sscanf(time.c_str(), "%d-%d-%dT%d:%d:%d.%dZ", &parts.tm_year, &parts.tm_mon,
                  &parts.tm_mday, &parts.tm_hour, &parts.tm_min, &parts.tm_sec,
                  &milliseconds) != 7)
    return escape_control(time);
  parts.tm_year -= 1900;
  parts.tm_mon -= 1;
  return text_of(::timegm(&parts), milliseconds, Digits::kMilliseconds);
}

}  // namespace peeper::cli
