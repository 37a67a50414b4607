// What peeperd says when it can't start, or a server of it can't: the configuration and the
// behaviours.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>

#include "instance.hpp"
#include "worker/include/peeper/abi.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// Runs peeperd to its end, which is expected to come at once.
Ran refused(const Instance& instance, const std::vector<std::string>& more = {}) {
  Spawn spawn = instance.command();
  spawn.output_file.clear();
  spawn.command.insert(spawn.command.end(), more.begin(), more.end());
  return run(spawn);
}

bool left_anything(const Instance& instance) {
  for (const auto& entry : std::filesystem::directory_iterator{"/dev/shm"})
    if (entry.path().filename().string().starts_with("peeper." + instance.name())) return true;
  return std::filesystem::exists(instance.socket());
}

// "[[server]]" of a behaviour of that name.
std::string server(std::string_view behaviour) {
  return "[[server]]\nname = \"" + std::string(behaviour) + "\"\nbehaviour = \"" +
         std::string(behaviour) + "\"\nstate_size = \"1MiB\"\n";
}

// The server is down with this text, also at a second look, and the counter beside it works.
std::string down_text(Instance& peeperd, const std::string& name) {
  peeperd.await([&] { return peeperd.text_fact(name, "state") == "down"; });
  Talk talk = peeperd.talk();
  const std::string text = talk({"CALL", name, "state"});
  CHECK(talk({"CAST", name, "state"}) == text);
  CHECK(talk({"CALL", "counter", "inc"}).front() != '-');
  peeperd.await([&] { return peeperd.worker(name) == 0; });
  peeperd.await([&] { return peeperd.keeper(name) == 0; });
  return text;
}

}  // namespace

TEST_CASE("five mistakes in a configuration are all reported with their lines, nothing starts") {
  const Instance instance{
      "[daemon]\n"
      "socket_mode = \"0999\"\n"         // 2
      "\n"
      "[[server]]\n"
      "name = \"counter\"\n"
      "behaviour = \"no_such_one\"\n"    // 6
      "state_size = \"1 potato\"\n"      // 7
      "max_restarts = -1\n"              // 8
      "colour = \"red\"\n"};             // 9
  for (const std::vector<std::string>& more :
       {std::vector<std::string>{}, std::vector<std::string>{"--check"}}) {
    const Ran ran = refused(instance, more);
    CHECK(ran.exit_code == 2);
    CHECK(ran.out == "");
    CAPTURE(ran.err);
    CHECK(std::count(ran.err.begin(), ran.err.end(), '\n') == 5);
    for (const char* mistake : {":2:[0-9]+: .*socket_mode", ":6:[0-9]+: .*no_such_one",
                                ":7:[0-9]+: .*state_size", ":8:[0-9]+: .*max_restarts",
                                ":9:[0-9]+: .*colour"})
      CHECK(std::regex_search(ran.err, std::regex(instance.config_file() + mistake)));
    CHECK_FALSE(left_anything(instance));
  }
}

TEST_CASE("a good configuration is checked without starting anything") {
  const Instance instance{counter_config()};
  const Ran ran = refused(instance, {"--check"});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out == instance.config_file() + ": ok, 1 server\n");
  CHECK(ran.err == "");
  CHECK_FALSE(left_anything(instance));
}

TEST_CASE("a configuration that is no TOML, or is missing, is refused with its place") {
  const Instance broken{"[daemon]\nlog_level = \"info\n"};
  const Ran ran = refused(broken);
  CHECK(ran.exit_code == 2);
  CHECK(ran.err.starts_with(broken.config_file() + ":2:"));
  const Instance missing{""};
  std::filesystem::remove(missing.config_file());
  CHECK(refused(missing).exit_code == 2);
  CHECK(refused(missing).err ==
        missing.config_file() + ": cannot read it: No such file or directory\n");
}

TEST_CASE("arguments peeperd does not know are refused as usage") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, {"--nonsense"}, {"--config"}}) {
    std::vector<std::string> command{program("peeperd")};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Ran ran = run({command, {}, "", ""});
    CHECK(ran.exit_code == 2);
    CHECK(ran.err != "");
  }
}

TEST_CASE("a behaviour that is missing is refused at the start, with line and places looked at") {
  const Instance instance{counter_config() + server("no_such_one")};
  const Ran ran = refused(instance);
  CHECK(ran.exit_code == 2);
  CAPTURE(ran.err);
  CHECK(ran.err.starts_with(instance.config_file() + ":9:"));
  CHECK(ran.err.find("behaviour \"no_such_one\" not found; looked at ") != std::string::npos);
  CHECK(ran.err.find((instance.directory() / "no_such_one.so").string()) != std::string::npos);
  CHECK_FALSE(left_anything(instance));
}

TEST_CASE("a behaviour is found on PEEPER_PATH before all other places") {
  const Instance instance{server("mine")};
  const std::filesystem::path mine = instance.directory() / "mine";
  std::filesystem::create_directory(mine);
  std::ofstream{mine / "mine.so"} << "not looked into by --check";
  CHECK(refused(instance, {"--check"}).exit_code == 2);
  Spawn spawn = instance.command();
  spawn.output_file.clear();
  spawn.command.emplace_back("--check");
  spawn.environment.emplace_back("PEEPER_PATH", "/nowhere:" + mine.string());
  CHECK(run(spawn).exit_code == 0);
}

TEST_CASE("a text file named .so takes only its own server down") {
  Instance peeperd{server("text") + counter_config()};
  std::ofstream{peeperd.directory() / "text.so"} << "#!/bin/sh\necho no behaviour\n";
  peeperd.start();
  const std::string down = down_text(peeperd, "text");
  CHECK(down.starts_with("-DOWN text: cannot load behaviour: " +
                         (peeperd.directory() / "text.so").string() + ": "));
  peeperd.stop();
}

TEST_CASE("a shared object that is no behaviour takes only its own server down") {
  Instance peeperd{server("foreign") + counter_config()};
  peeperd.start();
  CHECK(down_text(peeperd, "foreign").ends_with(
            "/foreign.so is not a behaviour: it has no PEEPER_SERVER(Type)"));
  peeperd.stop();
}

TEST_CASE("a behaviour built for another SDK version takes only its own server down") {
  Instance peeperd{server("other_sdk") + counter_config()};
  peeperd.start();
  CHECK(down_text(peeperd, "other_sdk")
            .ends_with("/other_sdk.so was built for SDK version " +
                       std::to_string(abi::kSdkVersion + 1) + ", this peeper-worker has version " +
                       std::to_string(abi::kSdkVersion) +
                       ": compile it again with this peeper's headers"));
  peeperd.stop();
}

TEST_CASE("a server whose init throws goes down with the exception's text, others run") {
  Instance peeperd{server("init_throws") + counter_config()};
  peeperd.start();
  CHECK(down_text(peeperd, "init_throws") ==
        "-DOWN init_throws: more than 3 restarts in 5 s, last: std::runtime_error: nothing to "
        "begin with. Its state is kept; to start it: peeper start init_throws");
  peeperd.stop();
  // It never had a state: once init works, it begins.
  std::filesystem::copy_file(
      std::filesystem::path(program("")).parent_path() / "../lib/peeper/shape.so",
      peeperd.directory() / "init_throws.so");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "init_throws", "inc"}) == "1");
  peeperd.stop();
}

TEST_CASE("an init argument that is no number takes the server down with a text that says so") {
  Instance peeperd{"[[server]]\nname = \"bad\"\nbehaviour = \"counter\"\nstate = \"many\"\n" +
                   counter_config()};
  peeperd.start();
  const std::string down = down_text(peeperd, "bad");
  CAPTURE(down);
  CHECK(down.find("std::invalid_argument: ") != std::string::npos);
  CHECK(down.find("many") != std::string::npos);
  peeperd.stop();
}
