# Fails, naming file and line, where a clock is read that somebody may set. What is to happen when is
# decided by CLOCK_MONOTONIC (std::chrono::steady_clock) alone; the files below only show a time.
cmake_minimum_required(VERSION 3.25)

set(shows
  common/clock.hpp common/launch.hpp common/segment/crash_layout.hpp common/segment/death.hpp
  daemon/cli/local_time.cpp daemon/inspection/debug.hpp daemon/metrics/daemon_facts.hpp
  daemon/output/output_ring.hpp daemon/server/server_watch.cpp daemon/values/time_text.cpp
  daemon/values/time_text.hpp)
set(wrong "")
foreach(folder IN ITEMS common daemon keeper worker/runtime worker/sdk worker/include)
  file(GLOB_RECURSE files ${SOURCE}/${folder}/*.cpp ${SOURCE}/${folder}/*.hpp)
  if(NOT files)
    message(FATAL_ERROR "no sources in ${SOURCE}/${folder}")
  endif()
  foreach(file IN LISTS files)
    file(RELATIVE_PATH name ${SOURCE} ${file})
    if(name IN_LIST shows)
      continue()
    endif()
    file(STRINGS ${file} lines REGEX
      "system_clock|system_timer|high_resolution_clock|CLOCK_REALTIME|gettimeofday|[: ]time\\((nullptr|0|NULL)\\)")
    foreach(line IN LISTS lines)
      string(APPEND wrong "${name}: ${line}\n")
    endforeach()
  endforeach()
endforeach()
if(wrong)
  message(FATAL_ERROR "clocks that may be set; use steady_clock, or add a file that only shows a "
    "time to tests/clocks.cmake:\n${wrong}")
endif()
