// From a configuration file to a Config. Every mistake is found and reported in one go, each with
// its place and with what was expected, so that one look at the output is enough to mend the file.
// Blocks while it reads the file. Knows the keys in DESIGN.md.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.hpp"

namespace peeper::config {

struct Mistake {
  int line = 0;  // from 1; 0: the file as a whole
  int column = 0;
  std::string text;
};

// A config that may be used only if there are no mistakes: a field with a mistake has its default.
struct Loaded {
  Config config;
  std::vector<Mistake> mistakes;  // in the order of their places
};

// A file that can't be read is a mistake too, without a line.
[[nodiscard]] Loaded load(const std::filesystem::path& file);

// `file` only names where the text is from: for the mistakes, and for relative paths in it.
[[nodiscard]] Loaded parse(std::string_view toml, const std::filesystem::path& file);

// One [[server]] and nothing else, as it could stand in the running configuration: it is the last
// one of the servers there are then. Whether its name is new is not asked.
[[nodiscard]] Loaded parse_child(std::string_view toml, const Config& running);

// "counter.toml:12:14: max_restarts: expected ..."
[[nodiscard]] std::string describe(const std::filesystem::path& file, const Mistake& mistake);

}  // namespace peeper::config
