// Figures for plotting: a file of columns with tabs between them, below a line of their names.
#pragma once

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string>

#include "bench.hpp"
#include "require.hpp"

namespace peeper::bench {

class Tsv {
 public:
  // `name`.tsv in the settings' directory for data, which is made.
  Tsv(const Settings& settings, const std::string& name,
      std::initializer_list<const char*> columns) {
    std::filesystem::create_directories(settings.data);
    const std::filesystem::path path = std::filesystem::path(settings.data) / (name + ".tsv");
    file_.open(path);
    test::require(file_.is_open(), "cannot write " + path.string());
    const char* gap = "";
    for (const char* column : columns) file_ << std::exchange(gap, "\t") << column;
    file_ << "\n";
  }

  void row(std::initializer_list<double> values) {
    const char* gap = "";
    for (const double value : values) {
      char text[40];
      std::snprintf(text, sizeof text, "%.10g", value);
      file_ << std::exchange(gap, "\t") << text;
    }
    file_ << std::endl;
  }

 private:
  std::ofstream file_;
};

}  // namespace peeper::bench
