// A time of day as replies and logs show it: "2031-05-06T07:08:09.123Z". Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace peeper::daemon {

[[nodiscard]] std::string time_text(std::chrono::system_clock::time_point time);

// Of ns of CLOCK_REALTIME.
[[nodiscard]] std::string time_text(std::uint64_t at_ns);

}  // namespace peeper::daemon
