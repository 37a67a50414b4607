// The local time of day, for people: "12:01:02", "12:01:02.345".
#pragma once

#include <string>

namespace peeper::cli {

enum class Digits { kSeconds, kMilliseconds };

[[nodiscard]] std::string time_of_day_now(Digits digits);
// Of "2031-05-06T07:08:09.123Z", with milliseconds; anything else as it is, escaped.
[[nodiscard]] std::string time_of_day(const std::string& time);

}  // namespace peeper::cli
