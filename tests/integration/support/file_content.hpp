// What a file has, as of now.
#pragma once

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace peeper::test {

// Empty if it can't be read.
inline std::string content_of(const std::filesystem::path& file) {
  std::ifstream stream{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{stream}, {}};
}

}  // namespace peeper::test
