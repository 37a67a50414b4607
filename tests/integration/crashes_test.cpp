// Crashes that explain themselves: the history of crashes, with backtraces that have names and
// lines.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;
namespace json = boost::json;

namespace {

std::string fragile_config(std::string_view more = "", std::string_view behaviour = "fragile") {
  return "[[server]]\nname = \"fragile\"\nbehaviour = \"" + std::string(behaviour) +
         "\"\nmax_restarts = 1000000\nstate_size = \"1MiB\"\nmailbox = \"64KiB\"\n" +
         std::string(more) + "\n";
}

json::array crashes_of(const Instance& peeperd) {
  const Ran ran = peeperd.peeper({"--json", "crashes", "fragile"});
  REQUIRE(ran.exit_code == 0);
  return json::parse(ran.out).as_array();
}

json::object show(const Instance& peeperd, std::int64_t number) {
  const Ran ran = peeperd.peeper({"--json", "crashes", "fragile", "show", std::to_string(number)});
  REQUIRE_MESSAGE(ran.exit_code == 0, ran.out);
  return json::parse(ran.out).as_object();
}

std::string text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->as_string()) : "";
}

std::int64_t number(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? value->as_int64() : 0;
}

// The line of the fixture that has this mark.
std::string line_of(const std::string& mark) {
  std::ifstream file{PEEPER_SOURCE_DIR "/tests/integration/fixtures/fragile.cpp"};
  int at = 0;
  for (std::string line; std::getline(file, line);) {
    ++at;
    if (line.find("// LINE " + mark) != line.npos) return std::to_string(at);
  }
  return "none";
}

// The first frame that is in this function.
json::object frame_in(const json::object& crash, const std::string& function) {
  for (const json::value& frame : crash.at("backtrace").as_array())
    if (text(frame.as_object(), "function").starts_with(function)) return frame.as_object();
  return {};
}

bool is_at(const json::object& frame, const std::string& line) {
  return text(frame, "source").ends_with("fixtures/fragile.cpp:" + line);
}

}  // namespace

TEST_CASE("a segfault's backtrace names the function and the line, and says who called") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "fragile", "fall", "some", "arguments"}).starts_with("-CRASHED"));
  const json::object crash = show(peeperd, 1);
  CHECK(text(crash, "cause") == "signal");
  CHECK(text(crash, "signal") == "SIGSEGV");
  CHECK(text(crash, "address") == "0x0");
  CHECK(text(crash, "in") == "fall");
  CHECK(text(crash, "type") == "call");
  CHECK(text(crash, "fate") == "dropped");
  CHECK(number(crash, "incarnation") == 1);
  CHECK(text(crash, "time").starts_with("20"));
  CHECK(crash.at("arguments") == json::value{"some", "arguments"});
  const json::array& frames = crash.at("backtrace").as_array();
  REQUIRE(frames.size() >= 3);
  CHECK(text(frames[0].as_object(), "function") == "fragile::fall()");
  CHECK(is_at(frames[0].as_object(), line_of("fall")));
  CHECK_FALSE(frame_in(crash, "fragile::Fragile::handle_call").empty());
  CHECK_FALSE(frame_in(crash, "main").empty());
  // Who sent it: this test, as the kernel knows it.
  CHECK(text(crash, "sender").starts_with("client pid " + std::to_string(::getpid()) + " ("));

  const Ran shown = peeperd.peeper({"crashes", "fragile", "show", "1"});
  CHECK(shown.exit_code == 0);
  CHECK(shown.out.find("  #0 fragile::fall() at ") != shown.out.npos);
  const Ran listed = peeperd.peeper({"crashes"});
  CHECK(listed.exit_code == 0);
  CHECK(listed.out.find("SIGSEGV at 0x0 in 'fall'") != listed.out.npos);
  peeperd.stop();
}

TEST_CASE("a call of a null pointer is traced to its caller") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "fragile", "call_nothing"}).starts_with("-CRASHED"));
#if defined(__x86_64__)
  CHECK(is_at(frame_in(show(peeperd, 1), "fragile::call_nothing"), line_of("call_nothing")));
#endif
  peeperd.stop();
}

TEST_CASE("a stack that can't be unwound costs the backtrace, and nothing else of the record") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "fragile", "smash"}) == "-CRASHED fragile: SIGSEGV at 0x0 in 'smash'");
  CHECK(talk({"CALL", "fragile", "noted"}) == "");
  const json::object crash = show(peeperd, 1);
  CHECK(text(crash, "address") == "0x0");
  CHECK_FALSE(frame_in(crash, "fragile::smash").empty());
  peeperd.stop();
}

TEST_CASE("an exception's backtrace is that of its throw") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "fragile", "raise"}).starts_with("-CRASHED"));
  const json::object crash = show(peeperd, 1);
  CHECK(text(crash, "cause") == "exception");
  CHECK(text(crash, "text") == "std::runtime_error: fragile, as asked");
  const json::array& frames = crash.at("backtrace").as_array();
  REQUIRE_FALSE(frames.empty());
  CHECK(text(frames[0].as_object(), "function") == "fragile::raise()");
  CHECK(is_at(frames[0].as_object(), line_of("raise")));
  // Another throw came after it: better none than the wrong one.
  CHECK(talk({"CALL", "fragile", "tangled"}).starts_with("-CRASHED"));
  const json::object tangled = show(peeperd, 2);
  CHECK(tangled.at("backtrace").as_array().empty());
  CHECK(text(tangled, "no_backtrace") == "it is not known where this was thrown");
  peeperd.stop();
}

TEST_CASE("every way to die has its words in the history") {
  Instance peeperd{fragile_config("callback_timeout = \"300ms\"") +
                   counter_config("counter", "callback_timeout = 0")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "fragile", "hang"}) ==
        "-CRASHED fragile: HUNG for more than 300 ms in 'hang'");
  const json::object hung = show(peeperd, 1);
  CHECK(text(hung, "cause") == "hung");
  CHECK(text(hung, "signal") == "SIGABRT");
  CHECK_FALSE(frame_in(hung, "fragile::hang").empty());

  CHECK(talk({"CALL", "fragile", "die"}) == "-CRASHED fragile: SIGKILL in 'die'");
  const json::object killed = show(peeperd, 2);
  CHECK(text(killed, "signal") == "SIGKILL");
  CHECK(killed.at("backtrace").as_array().empty());
  CHECK(text(killed, "no_backtrace") == "SIGKILL leaves a process no time for one");

  CHECK(talk({"CALL", "counter", "exit", "3"}).starts_with("-CRASHED"));
  const auto exited = talk.reply({"SYS", "CRASHES", "counter", "SHOW", "1"});
  REQUIRE(exited.has_value());
  CHECK(exited->field("cause")->text == "exit");
  CHECK(exited->field("exit_status")->integer == 3);
  CHECK(exited->field("no_backtrace")->text == "a process that exits leaves none");

  // One that was idle has nothing in flight. Each has come to its messages first: before that it has
  // no ears for SIGTERM.
  CHECK(talk({"CALL", "counter", "state"}) == "0");
  CHECK(talk({"SYS", "KILL", "counter", "SIGTERM"}) == "OK");
  peeperd.await([&] { return peeperd.fact("counter", "incarnation") == 3; });
  CHECK(talk({"CALL", "counter", "state"}) == "0");
  CHECK(talk({"SYS", "KILL", "counter"}) == "OK");
  peeperd.await([&] { return peeperd.fact("counter", "incarnation") == 4; });
  CHECK(talk({"CALL", "counter", "state"}) == "0");
  const auto all = talk.reply({"SYS", "CRASHES", "counter"});
  REQUIRE(all.has_value());
  REQUIRE(all->elements.size() == 2);  // an end in order is no crash
  CHECK(all->elements[1].field("text")->text == "SIGKILL");
  CHECK(all->elements[1].field("in")->type == resp::Reply::Type::kNull);

  CHECK(talk({"SYS", "CRASHES"}).front() == '[');
  CHECK(talk({"SYS", "CRASHES", "nobody"}).starts_with("-NOSERVER"));
  CHECK(talk({"SYS", "CRASHES", "counter", "SHOW", "9"})
            .starts_with("-BADARG counter has no crash"));
  CHECK(talk({"SYS", "CRASHES", "counter", "SHOW"}).starts_with("-BADARG usage"));
  peeperd.stop();
}

TEST_CASE("the same place is counted, and the history is bounded") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (int i = 0; i < 3; ++i) CHECK(talk({"CALL", "fragile", "fall"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "fragile", "raise"}).starts_with("-CRASHED"));
  json::array crashes = crashes_of(peeperd);
  REQUIRE(crashes.size() == 4);
  CHECK(number(crashes[2].as_object(), "same_place") == 3);
  CHECK(number(crashes[3].as_object(), "same_place") == 1);
  for (int i = 0; i < 36; ++i) CHECK(talk({"CALL", "fragile", "fall"}).starts_with("-CRASHED"));
  crashes = crashes_of(peeperd);
  REQUIRE(crashes.size() == 32);
  CHECK(number(crashes.front().as_object(), "number") == 9);
  CHECK(number(crashes.back().as_object(), "number") == 40);
  CHECK(number(crashes.back().as_object(), "same_place") == 39);
  peeperd.stop();
}

TEST_CASE("the history survives the death of all three processes") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  {
    Talk talk = peeperd.talk();
    CHECK(talk({"CALL", "fragile", "fall"}).starts_with("-CRASHED"));
    CHECK(talk({"CALL", "fragile", "noted"}) == "");
  }
  const json::object before = show(peeperd, 1);
  peeperd.kill_unseen("fragile");
  peeperd.start();
  CHECK(show(peeperd, 1) == before);
  // That nobody saw is told too, once.
  const json::array crashes = crashes_of(peeperd);
  REQUIRE(crashes.size() == 2);
  CHECK(text(crashes[1].as_object(), "cause") == "unseen");
  CHECK(number(crashes[1].as_object(), "incarnation") == 2);
  peeperd.stop();
  peeperd.start();
  CHECK(crashes_of(peeperd).size() == 2);
  peeperd.stop();
}

// --- on_crash_exec -------------------------------------------------------------------------------

namespace {

// Beside the configuration.
void write_program(const Instance& peeperd, const std::string& body) {
  const auto file = peeperd.directory() / "told.sh";
  std::ofstream{file} << "#!/bin/sh\n" << body << "\n";
  std::filesystem::permissions(file, std::filesystem::perms::owner_all);
}

bool has_line(const Instance& peeperd, const std::string& part) {
  return peeperd.log().find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("on_crash_exec gets the crash as JSON, with names, on its standard input") {
  Instance peeperd{fragile_config("on_crash_exec = \"told.sh\"")};
  const auto file = peeperd.directory() / "told.json";
  write_program(peeperd, "cat > told.part; mv told.part " + file.string());
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "fragile", "fall"}).starts_with("-CRASHED"));
  peeperd.await([&] { return std::filesystem::exists(file); });
  std::ifstream stream{file};
  const std::string told{std::istreambuf_iterator<char>{stream}, {}};
  const json::object crash = json::parse(told).as_object();
  CHECK(crash == show(peeperd, 1));
  CHECK(text(crash, "server") == "fragile");
  CHECK(is_at(frame_in(crash, "fragile::fall"), line_of("fall")));
  peeperd.stop();
}

TEST_CASE("an on_crash_exec that is missing, fails or hangs harms nobody") {
  Instance peeperd{fragile_config("on_crash_exec = \"told.sh\"")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "fragile", "fall"}).starts_with("-CRASHED"));
  peeperd.await([&] { return has_line(peeperd, "told.sh ended with status 0x100"); });
  CHECK(has_line(peeperd, "cannot start " + (peeperd.directory() / "told.sh").string()));
  write_program(peeperd, "exit 3");
  CHECK(talk({"CALL", "fragile", "fall"}).starts_with("-CRASHED"));
  peeperd.await([&] { return has_line(peeperd, "told.sh ended with status 0x300"); });
  // It waits for a file that the test makes, and two more crashes come in between.
  const auto go = peeperd.directory() / "go";
  write_program(peeperd, "touch " + go.string() + ".here; while ! test -e " + go.string() +
                             "; do sleep 0.01; done");
  CHECK(talk({"CALL", "fragile", "fall"}).starts_with("-CRASHED"));
  peeperd.await([&] { return std::filesystem::exists(go.string() + ".here"); });
  for (int i = 0; i < 2; ++i) CHECK(talk({"CALL", "fragile", "fall"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "fragile", "noted"}) == "");
  std::ofstream{go} << "on";
  peeperd.await([&] { return has_line(peeperd, "on_crash_exec has not been told of 2 crashes"); });
  // One that runs when peeperd stops goes with it.
  std::filesystem::remove(go);
  std::filesystem::remove(go.string() + ".here");
  CHECK(talk({"CALL", "fragile", "fall"}).starts_with("-CRASHED"));
  peeperd.await([&] { return std::filesystem::exists(go.string() + ".here"); });
  peeperd.stop();
  std::ofstream{go} << "on";
}
