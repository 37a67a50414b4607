// What the tests of listeners in a keeper work with: which there are, programs, states.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "file_content.hpp"

namespace peeper::test {

// One of our own, by the name of its fixture.
inline std::string listener(std::string_view name) {
  return std::string(PEEPER_BEHAVIOUR_DIR) + "/" + std::string(name) + ".so";
}

// A shell's script, for exec:.
inline std::filesystem::path make_program(const std::filesystem::path& file,
                                          const std::string& script) {
  std::ofstream{file} << "#!/bin/sh\n" << script << "\n";
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
  return file;
}

// States, as RESP3.
inline constexpr char kOne[] = "%1\r\n$5\r\ncount\r\n:1\r\n";
inline constexpr char kTwo[] = "%1\r\n$5\r\ncount\r\n:2\r\n";
inline std::string text_value(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

inline bool has(const std::string& text, std::string_view part) {
  return text.find(part) != text.npos;
}

}  // namespace peeper::test
