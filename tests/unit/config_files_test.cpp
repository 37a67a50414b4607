// The parts that look at the file system: reading a configuration, finding behaviours, --check.
#include <doctest/doctest.h>

#include <filesystem>
#include <sstream>
#include <string>

#include "daemon/check_config.hpp"
#include "daemon/config/behaviour_path.hpp"
#include "daemon/config/listeners.hpp"
#include "daemon/config/load.hpp"
#include "daemon/options.hpp"
#include "temporary_directory.hpp"

namespace fs = std::filesystem;
using namespace peeper;
using namespace peeper::config;
using peeper::test::TemporaryDirectory;

namespace {

ServerSection server_of(std::string behaviour) {
  ServerSection server;
  server.name = "counter";
  server.behaviour = std::move(behaviour);
  return server;
}

}  // namespace

TEST_CASE("a behaviour's name is looked for on PEEPER_PATH then beside the file then with us") {
  const TemporaryDirectory directory;
  const fs::path& at = directory.path();
  const std::string variable = ":" + (at / "one").string() + "::" + (at / "two").string() + ":";
  const SearchPath path = search_path(variable.c_str(), at / "conf/c.toml", at / "prefix/bin");
  CHECK(path.first == std::vector<fs::path>{at / "one", at / "two"});

  const Result<fs::path> nowhere = find_behaviour(server_of("counter"), path);
  REQUIRE_FALSE(nowhere.has_value());
  for (const char* place :
       {"one/counter.so", "two/counter.so", "conf/counter.so", "prefix/lib/peeper/counter.so"}) {
    CHECK(nowhere.error().what.find((at / place).string()) != std::string::npos);
  }
  for (const char* place :
       {"prefix/lib/peeper/counter.so", "conf/counter.so", "two/counter.so", "one/counter.so"}) {
    const fs::path file = directory.write(place, "");
    CHECK(*find_behaviour(server_of("counter"), path) == file);
    CHECK(*find_behaviour(server_of("counter.so"), path) == file);
  }
}

TEST_CASE("a behaviour with a slash is a path relative to the configuration file") {
  const TemporaryDirectory directory;
  const fs::path file = directory.write("lib/counter.so", "");
  const SearchPath path = search_path(nullptr, directory.path() / "conf/c.toml", "/nowhere");
  CHECK(*find_behaviour(server_of("../lib/counter.so"), path) == file);
  CHECK(*find_behaviour(server_of(file.string()), path) == file);
  CHECK_FALSE(find_behaviour(server_of("./counter.so"), path).has_value());
  const Result<fs::path> not_a_file = find_behaviour(server_of("../lib/"), path);
  REQUIRE_FALSE(not_a_file.has_value());
  CHECK(not_a_file.error().what.find("(not a file)") != std::string::npos);
}

TEST_CASE("a configuration that can't be read is a mistake without a line") {
  const TemporaryDirectory directory;
  const Loaded missing = load(directory.path() / "none.toml");
  REQUIRE(missing.mistakes.size() == 1);
  CHECK(describe("none.toml", missing.mistakes[0]) ==
        "none.toml: cannot read it: No such file or directory");
  const Loaded is_directory = load(directory.path());
  REQUIRE(is_directory.mistakes.size() == 1);
  CHECK(is_directory.mistakes[0].line == 0);
  CHECK(load(directory.write("empty.toml", "")).mistakes.empty());
}

TEST_CASE("checking a configuration names the file and counts its servers") {
  const TemporaryDirectory directory;
  directory.write("counter.so", "");
  Options options;
  options.config_file = directory.write(
      "c.toml",
      "[[server]]\nname = \"a\"\nbehaviour = \"counter\"\n[[server]]\nname = \"b\"\n"
      "behaviour = \"counter\"\n");
  const SearchPath path = search_path(nullptr, options.config_file, "/nowhere");
  std::ostringstream out;
  std::ostringstream err;
  CHECK(report_config(load_for_start(options, path), out, err) == 0);
  CHECK(out.str() == options.config_file.string() + ": ok, 2 servers\n");
  CHECK(err.str().empty());
}

TEST_CASE("checking a configuration reports missing behaviours among the other mistakes") {
  const TemporaryDirectory directory;
  Options options;
  options.config_file = directory.write(
      "c.toml", "[[server]]\nname = \"a\"\nbehaviour = \"none\"\nstandby = \"x\"\n");
  const SearchPath path = search_path(nullptr, options.config_file, "/nowhere");
  const Loaded loaded = load_for_start(options, path);
  REQUIRE(loaded.mistakes.size() == 2);
  CHECK(loaded.mistakes[0].line == 3);
  CHECK(loaded.mistakes[0].text.find("behaviour \"none\" not found; looked at ") == 0);
  CHECK(loaded.mistakes[1].line == 4);
  std::ostringstream out;
  std::ostringstream err;
  CHECK(report_config(loaded, out, err) == 2);
  CHECK(out.str().empty());
  CHECK(err.str().find("c.toml:3:13: behaviour") != std::string::npos);
  CHECK(err.str().find("c.toml:4:11: standby") != std::string::npos);
}

TEST_CASE("listeners are looked for as behaviours are, programs beside the file") {
  const TemporaryDirectory directory;
  directory.write("counter.so", "");
  const fs::path program = directory.write("tell", "");
  const fs::path object = directory.write("heard.so", "");
  const SearchPath path = search_path(nullptr, directory.path() / "c.toml", "/nowhere");
  CHECK(*find_listener("log", path) == "log");
  CHECK(*find_listener("statsd:127.0.0.1:8125", path) == "statsd:127.0.0.1:8125");
  CHECK(*find_listener("heard", path) == object.string());
  CHECK(*find_listener("./heard.so", path) == object.string());
  CHECK(find_listener("exec:tell", path).error().what ==
        "listener \"exec:tell\": cannot start " + program.string() + ": Permission denied");
  fs::permissions(program, fs::perms::owner_all);
  CHECK(*find_listener("exec:tell", path) == "exec:" + program.string());
  CHECK_FALSE(find_listener("exec:.", path).has_value());

  Options options;
  options.config_file = directory.write("c.toml",
                                        "[[server]]\nname = \"a\"\nbehaviour = \"counter\"\n"
                                        "listener = [\"log\", \"none\", \"exec:none\"]\n");
  const Loaded loaded = load_for_start(options, path);
  REQUIRE(loaded.mistakes.size() == 2);
  CHECK(loaded.mistakes[0].line == 4);
  CHECK(loaded.mistakes[0].text.find("listener \"none\" not found; looked at ") == 0);
  CHECK(loaded.mistakes[1].line == 4);
  CHECK(loaded.mistakes[1].text.find("none: No such file or directory") != std::string::npos);
}

TEST_CASE("what the command line says goes before what the file says") {
  DaemonSection daemon;
  override_with(Options{}, daemon);
  CHECK(daemon.socket == "/run/peeperd/peeperd.sock");
  Options options;
  options.socket = "s";
  options.instance = "i";
  options.log_level = LogLevel::kDebug;
  override_with(options, daemon);
  CHECK(daemon.socket == "s");
  CHECK(daemon.instance == "i");
  CHECK(daemon.log_level == LogLevel::kDebug);
}
