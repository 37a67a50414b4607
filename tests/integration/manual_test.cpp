// The manual pages have what the programs have, and can be read.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "instance.hpp"
#include "require.hpp"
#include "skip.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

Lines lines_of(std::istream& stream) {
  Lines lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

Lines file_lines(const fs::path& file) {
  std::ifstream stream{file};
  require(stream.good(), "cannot read " + file.string());
  return lines_of(stream);
}

fs::path page(std::string_view name) {
  return fs::path{PEEPER_MAN_DIR} / ("man" + std::string(1, name.back())) / name;
}

std::string joined(const Lines& lines, std::string_view between = "\n") {
  std::string text;
  for (const std::string& line : lines) text += (text.empty() ? "" : std::string(between)) + line;
  return text;
}

struct Help {
  Lines commands;
  Lines options;  // "-c", "--clients"
};

Help help_of(std::vector<std::string> command) {
  command.push_back("--help");
  const Ran ran = run({std::move(command), {}, "", ""});
  require(ran.exit_code == 0, "no --help: " + ran.err);
  Help help;
  std::istringstream stream{ran.out};
  std::string part;
  for (const std::string& line : lines_of(stream)) {
    if (!line.empty() && line[0] != ' ') part = line;
    const bool is_entry = line.starts_with("  ") && line.size() > 2 && line[2] != ' ';
    if (!is_entry) continue;
    std::string word = line.substr(2, line.find_first_of(" {", 2) - 2);
    if (part == "Subcommands:") help.commands.push_back(word);
    if (part != "Options:") continue;
    std::istringstream names{word};
    for (std::string name; std::getline(names, name, ',');) help.options.push_back(name);
  }
  return help;
}

// "--json" is "Fl -json" there.
bool has_option(const std::string& text, const std::string& option) {
  return std::regex_search(text, std::regex{"Fl " + option.substr(1) + "(?![a-z-])"});
}

bool begins_an_item(const std::string& line) {
  return line.starts_with(".It Ic ") || line.starts_with(".It Xo") || line.starts_with(".Ss ") ||
         line.starts_with(".Sh ");
}

// What the page says of a command, from its item to the next one; empty: nothing.
std::string item_of(const Lines& lines, const std::string& command) {
  const std::regex begins{"\\.(It )?Ic " + command + "( .*)?"};
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const bool is_there = std::regex_match(lines[i], begins) &&
                          (lines[i].starts_with(".It ") || (i > 0 && lines[i - 1] == ".It Xo"));
    if (!is_there) continue;
    const auto end = std::find_if(lines.begin() + static_cast<std::ptrdiff_t>(i) + 1, lines.end(),
                                  begins_an_item);
    return joined({lines.begin() + static_cast<std::ptrdiff_t>(i), end});
  }
  return {};
}

// What stands between ".Ss NAME" and the next heading.
Lines section_of(const Lines& lines, const std::string& name) {
  const auto begin = std::ranges::find(lines, ".Ss " + name);
  if (begin == lines.end()) return {};
  const auto end = std::find_if(begin + 1, lines.end(), [](const std::string& line) {
    return line.starts_with(".Ss ") || line.starts_with(".Sh ");
  });
  return {begin, end};
}

// All that may be a key: the words in quotes in the sources that read the configuration.
std::set<std::string> possible_keys() {
  std::set<std::string> words;
  const std::regex quoted{"\"([a-z_]+)\""};
  for (const auto& entry : fs::directory_iterator{PEEPER_SOURCE_DIR "/daemon/config"}) {
    if (entry.path().extension() != ".cpp") continue;
    const std::string text = joined(file_lines(entry.path()));
    for (std::sregex_iterator match{text.begin(), text.end(), quoted}, end; match != end; ++match)
      words.insert((*match)[1]);
  }
  return words;
}

// Those that peeperd knows there: it complains of their values, but not of the keys. No key takes a
// date.
std::set<std::string> keys_of(const Instance& peeperd, const std::string& above,
                              const std::string& section) {
  std::set<std::string> keys = possible_keys();
  {
    std::ofstream file{peeperd.config_file()};
    file << above << "\n" << section << "\n";
    for (const std::string& key : keys) file << key << " = 1979-05-27\n";
  }
  const Ran ran =
      run({{program("peeperd"), "--check", "--config", peeperd.config_file()}, {}, "", ""});
  require(ran.exit_code == 2, "peeperd --check: " + ran.err);
  const std::regex unknown{"unknown key '([a-z_]+)' in " +
                           std::regex_replace(section, std::regex{"[\\[\\].]"}, "\\$&")};
  for (std::sregex_iterator match{ran.err.begin(), ran.err.end(), unknown}, end; match != end;
       ++match)
    keys.erase((*match)[1]);
  return keys;
}

bool is_installed(const std::string& program) {
  return run({{"sh", "-c", "command -v " + program}, {}, "", ""}).exit_code == 0;
}

const std::vector<std::string> kPages{"peeper.1", "peeperd.8", "peeperd.toml.5", "peeper-server.7"};

}  // namespace

TEST_CASE("manual: peeper(1) has each command and option that --help shows") {
  const Lines lines = file_lines(page("peeper.1"));
  const auto commands = std::ranges::find(lines, ".Sh COMMANDS");
  const std::string before = joined({lines.begin(), commands});
  const Help help = help_of({program("peeper")});
  CHECK(help.commands.size() > 20);
  CHECK(help.options.size() >= 7);
  Lines lacking;
  for (const std::string& option : help.options)
    if (!has_option(before, option)) lacking.push_back(option);
  for (const std::string& command : help.commands) {
    const std::string item = item_of(lines, command);
    if (item.empty()) {
      lacking.push_back(command);
      continue;
    }
    for (const std::string& option : help_of({program("peeper"), command}).options)
      if (option != "-h" && option != "--help" && !has_option(item, option))
        lacking.push_back(command + " " + option);
  }
  CHECK_MESSAGE(lacking.empty(), "daemon/man/peeper.1: peeper(1) lacks: " << joined(lacking, ", "));
}

TEST_CASE("manual: peeperd(8) has each option that --help shows") {
  const std::string text = joined(file_lines(page("peeperd.8")));
  const Help help = help_of({program("peeperd")});
  CHECK(help.options.size() >= 7);
  Lines lacking;
  for (const std::string& option : help.options)
    if (!has_option(text, option)) lacking.push_back(option);
  CHECK_MESSAGE(lacking.empty(),
                "daemon/man/peeperd.8: peeperd(8) lacks: " << joined(lacking, ", "));
}

TEST_CASE("manual: peeperd.toml(5) has each key that peeperd knows, and no other") {
  const Instance peeperd{""};
  const Lines lines = file_lines(page("peeperd.toml.5"));
  struct Part {
    std::string above;
    std::string section;
    std::size_t least;  // of keys: fewer are a mistake of this test
  };
  Lines lacking;
  Lines unknown;
  for (const Part& part : {Part{"", "[daemon]", 9}, Part{"", "[[group]]", 8},
                           Part{"", "[[server]]", 35}, Part{"[[server]]", "[server.limits]", 4},
                           Part{"[[server]]", "[server.sandbox]", 5}}) {
    CAPTURE(part.section);
    std::set<std::string> keys = keys_of(peeperd, part.above, part.section);
    CHECK(keys.size() >= part.least);
    CHECK(keys.size() < 2 * part.least);
    std::set<std::string> told;
    for (const std::string& line : section_of(lines, part.section)) {
      std::smatch match;
      if (std::regex_match(line, match, std::regex{"\\.It Ic ([a-z_]+)( .*)?"}))
        told.insert(match[1]);
    }
    for (const std::string& key : keys)
      if (!told.contains(key)) lacking.push_back(key + " in " + part.section);
    for (const std::string& key : told)
      if (!keys.contains(key)) unknown.push_back(key + " in " + part.section);
  }
  CHECK_MESSAGE(lacking.empty(),
                "daemon/man/peeperd.toml.5: peeperd.toml(5) lacks: " << joined(lacking, ", "));
  CHECK_MESSAGE(unknown.empty(), "daemon/man/peeperd.toml.5: peeperd.toml(5) has what peeperd "
                                 "doesn't know: "
                                     << joined(unknown, ", "));
}

TEST_CASE("manual: peeper-server(7) has each callback of server.hpp") {
  const std::string text = joined(file_lines(page("peeper-server.7")));
  Lines lacking;
  std::size_t callbacks = 0;
  const std::regex callback{"//   [A-Za-z]+ +([a-z_]+)\\(.*"};
  for (const std::string& line :
       file_lines(PEEPER_SOURCE_DIR "/worker/include/peeper/server.hpp")) {
    std::smatch match;
    if (!std::regex_match(line, match, callback)) continue;
    ++callbacks;
    if (text.find("Fn " + match[1].str() + " ") == std::string::npos) lacking.push_back(match[1]);
  }
  CHECK(callbacks >= 10);
  CHECK_MESSAGE(lacking.empty(),
                "worker/man/peeper-server.7: peeper-server(7) lacks: " << joined(lacking, ", "));
}

TEST_CASE("manual: each page says the version, and is rendered without a warning") {
  const std::string version = run({{program("peeper"), "--version"}, {}, "", ""}).out;
  REQUIRE(version.starts_with("peeper "));
  for (const std::string& name : kPages) {
    CAPTURE(name);
    const std::string text = joined(file_lines(page(name)));
    CHECK(text.find(".Os \"" + version.substr(0, version.find('\n')) + "\"") != std::string::npos);
    for (const char* heading : {"NAME", "DESCRIPTION", "EXAMPLES", "EXIT STATUS", "FILES",
                                "ENVIRONMENT", "SEE ALSO"})
      CHECK_MESSAGE(text.find("\n.Sh " + std::string(heading) + "\n") != std::string::npos, heading);
  }
  if (is_installed("mandoc"))
    for (const std::string& name : kPages)
      CHECK(run({{"mandoc", "-Tlint", "-W", "warning", page(name).string()}, {}, "", ""}).out == "");
  if (!is_installed("groff")) return skip("no groff here (package groff-base)");
  for (const std::string& name : kPages) {
    const Ran rendered =
        run({{"groff", "-mandoc", "-ww", "-Tutf8", "-P-cbou", page(name).string()}, {}, "", ""});
    CAPTURE(name);
    CHECK(rendered.exit_code == 0);
    CHECK(rendered.err == "");
    CHECK(rendered.out.find("SEE ALSO") != std::string::npos);
  }
}
