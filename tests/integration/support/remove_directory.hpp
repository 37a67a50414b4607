// The end of a test's directory. Processes that were just killed may still write there for a moment.
#pragma once

#include <chrono>
#include <filesystem>
#include <system_error>
#include <thread>

namespace peeper::test {

inline void remove_directory(const std::filesystem::path& directory) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{5};
  std::error_code error;
  while (std::filesystem::remove_all(directory, error), error) {
    if (std::chrono::steady_clock::now() >= end) break;
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}

}  // namespace peeper::test
