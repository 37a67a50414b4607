// Dead letters: messages that were dropped are kept whole, and can be tried again.
#include <doctest/doctest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "common/segment/segment.hpp"
#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string fragile_config(std::string_view behaviour = "fragile", std::string_view more = "") {
  return "[[server]]\nname = \"fragile\"\nbehaviour = \"" + std::string(behaviour) +
         "\"\nmax_restarts = 1000000\nstate_size = \"1MiB\"\nmailbox = \"64KiB\"\n" +
         std::string(more) + "\n";
}

// Each is a file of its own, which `once` looks for.
std::string fresh_file(const Instance& peeperd) {
  static int count = 0;
  return (peeperd.directory() / ("once" + std::to_string(++count))).string();
}

std::vector<resp::Reply> letters(Talk& talk) {
  const auto reply = talk.reply({"SYS", "DEADLETTERS", "LIST", "fragile"});
  REQUIRE(reply.has_value());
  REQUIRE(reply->type == resp::Reply::Type::kArray);
  return reply->elements;
}

std::string field(const resp::Reply& map, std::string_view key) {
  const resp::Reply* value = map.field(key);
  REQUIRE(value != nullptr);
  return value->type == resp::Reply::Type::kInteger ? std::to_string(value->integer) : value->text;
}

}  // namespace

TEST_CASE("a dropped call, cast or info is a dead letter, is shown, and works when retried") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(letters(talk).empty());
  std::string expected;
  std::int64_t count = 0;
  for (const std::string verb : {"CALL", "CAST", "SEND"}) {
    CAPTURE(verb);
    const std::string file = fresh_file(peeperd);
    const std::string argument = verb + std::string(3000, 'x');
    const std::string answer = talk({verb, "fragile", "once", file, argument, ""});
    if (verb == "CALL")
      CHECK(answer == "-CRASHED fragile: SIGSEGV at 0x0 in 'once'");
    else
      CHECK(answer == "OK");
    CHECK(talk({"CALL", "fragile", "noted"}) == expected);
    const auto kept = letters(talk);
    REQUIRE(kept.size() == 1);
    const std::string number = field(kept[0], "number");
    CHECK(number == std::to_string(++count));
    CHECK(field(kept[0], "cause") == "SIGSEGV at 0x0");
    CHECK(field(kept[0], "type") == (verb == "SEND" ? "info" : verb == "CALL" ? "call" : "cast"));
    CHECK(field(kept[0], "message") == "once");
    CHECK(field(kept[0], "sender").starts_with("client pid " + std::to_string(::getpid())));
    CHECK(std::stoul(field(kept[0], "bytes")) > 3000);
    const auto shown = talk.reply({"SYS", "DEADLETTERS", "SHOW", "fragile", number});
    REQUIRE(shown.has_value());
    const resp::Reply* arguments = shown->field("arguments");
    REQUIRE(arguments != nullptr);
    REQUIRE(arguments->elements.size() == 3);
    CHECK(arguments->elements[0].text == file);
    CHECK(arguments->elements[1].text == argument);
    CHECK(arguments->elements[2].text == "");

    CHECK(talk({"SYS", "DEADLETTERS", "RETRY", "fragile", number}) == "OK");
    expected += "+" + argument + "  ";
    CHECK(talk({"CALL", "fragile", "noted"}) == expected);
    CHECK(letters(talk).empty());
    CHECK(talk({"SYS", "DEADLETTERS", "RETRY", "fragile", number})
              .starts_with("-BADARG fragile has no dead letter"));
  }
  peeperd.stop();
}

TEST_CASE("dead letters by peeper: list, show, retry, drop") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (int i = 0; i < 4; ++i)
    CHECK(talk({"CAST", "fragile", "once", fresh_file(peeperd), std::to_string(i)}) == "OK");
  CHECK(talk({"CALL", "fragile", "noted"}) == "");
  const Ran listed = peeperd.peeper({"deadletters", "list", "fragile"});
  CHECK(listed.exit_code == 0);
  CHECK(listed.out.starts_with("N  TIME"));
  CHECK(std::count(listed.out.begin(), listed.out.end(), '\n') == 5);
  const Ran shown = peeperd.peeper({"--json", "deadletters", "show", "fragile", "2"});
  CHECK(shown.out.find("\"arguments\":[\"") != shown.out.npos);
  CHECK(peeperd.peeper({"deadletters", "retry", "fragile", "2"}).out == "OK\n");
  CHECK(talk({"CALL", "fragile", "noted"}) == "+1 ");
  CHECK(peeperd.peeper({"deadletters", "drop", "fragile", "1"}).out == "OK\n");
  CHECK(peeperd.peeper({"deadletters", "drop", "fragile", "1"}).exit_code == 1);
  CHECK(letters(talk).size() == 2);
  CHECK(peeperd.peeper({"deadletters", "drop", "fragile", "all"}).out == "2\n");
  CHECK(peeperd.peeper({"deadletters", "list", "fragile"}).out == "none\n");
  CHECK(peeperd.peeper({"deadletters", "list", "nobody"}).exit_code == 1);
  CHECK(peeperd.peeper({"deadletters", "show", "fragile"}).exit_code == 2);
  CHECK(peeperd.peeper({"deadletters", "burn", "fragile"}).exit_code == 2);
  CHECK(peeperd.peeper({"crashes", "fragile", "show"}).exit_code == 2);
  CHECK(talk({"SYS", "DEADLETTERS", "LIST"}).starts_with("-BADARG usage"));
  CHECK(talk({"SYS", "DEADLETTERS", "SHOW", "fragile", "-1"}).starts_with("-BADARG"));
  peeperd.stop();
}

TEST_CASE("dead letters survive all processes, and a retry twice has one effect") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  const std::string file = fresh_file(peeperd);
  {
    Talk talk = peeperd.talk();
    CHECK(talk({"CAST", "fragile", "once", file, "kept"}) == "OK");
    CHECK(talk({"CALL", "fragile", "noted"}) == "");
    CHECK(letters(talk).size() == 1);
  }
  peeperd.kill_all_three("fragile");
  peeperd.start();
  Talk talk = peeperd.talk();
  REQUIRE(letters(talk).size() == 1);
  CHECK(talk({"SYS", "DEADLETTERS", "RETRY", "fragile", "1"}) == "OK");
  // As if peeperd had died after the first half of that: the letter is still there.
  {
    auto segment = segment::Segment::open({peeperd.name(), "fragile"}, segment::View::kRings);
    REQUIRE(segment.has_value());
    segment->gone().number[1].store(0);
  }
  REQUIRE(letters(talk).size() == 1);
  CHECK(talk({"SYS", "DEADLETTERS", "RETRY", "fragile", "1"}) == "OK");
  CHECK(talk({"CALL", "fragile", "noted"}) == "+kept ");
  CHECK(letters(talk).empty());
  peeperd.stop();
}

TEST_CASE("a letter's own token keeps a retry from doing what its sender has done since") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string file = fresh_file(peeperd);
  CHECK(talk({"CALL", "ID", "t", "fragile", "once", file, "a"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "ID", "t", "fragile", "once", file, "a"}) == "+a ");
  CHECK(talk({"SYS", "DEADLETTERS", "RETRY", "fragile", "1"}) == "OK");
  CHECK(talk({"CALL", "fragile", "noted"}) == "+a ");
  peeperd.stop();
}

TEST_CASE("what a worker with a terminate drops by itself is a dead letter as well") {
  Instance peeperd{fragile_config("fragile_terminates")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "fragile", "raise", "argument"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "fragile", "noted"}) == ".");
  const auto kept = letters(talk);
  REQUIRE(kept.size() == 1);
  CHECK(field(kept[0], "message") == "raise");
  CHECK(field(kept[0], "cause") == "std::runtime_error: fragile, as asked");
  const auto crash = talk.reply({"SYS", "CRASHES", "fragile", "SHOW", "1"});
  REQUIRE(crash.has_value());
  CHECK(field(*crash, "in") == "raise");
  CHECK(field(*crash, "fate") == "dropped");
  CHECK(field(*crash, "dead_letter") == "1");
  CHECK(crash->field("arguments")->elements.size() == 1);
  CHECK_FALSE(crash->field("backtrace")->elements.empty());
  peeperd.stop();
}

TEST_CASE("a timer's message that crashes is a dead letter as well") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string file = fresh_file(peeperd);
  CHECK(talk({"CALL", "fragile", "later", file}) == "");
  peeperd.await([&] { return letters(talk).size() == 1; });
  const auto kept = letters(talk);
  CHECK(field(kept[0], "message") == "once");
  CHECK(field(kept[0], "sender") == "a timer");
  CHECK(field(kept[0], "cause") == "SIGSEGV at 0x0");
  CHECK(talk({"SYS", "DEADLETTERS", "RETRY", "fragile", "1"}) == "OK");
  CHECK(talk({"CALL", "fragile", "noted"}) == "+");
  const auto crash = talk.reply({"SYS", "CRASHES", "fragile", "SHOW", "1"});
  REQUIRE(crash.has_value());
  CHECK(field(*crash, "channel") == "timer");
  peeperd.stop();
}

TEST_CASE("with retries the message is a dead letter only after the last") {
  Instance peeperd{fragile_config("fragile", "on_crash = \"retry\"\nretries = 2")};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string file = fresh_file(peeperd);
  CHECK(talk({"CALL", "fragile", "once", file, "again"}) == "+again ");
  CHECK(letters(talk).empty());
  CHECK(talk({"CALL", "fragile", "fall"}).starts_with("-CRASHED"));
  CHECK(letters(talk).size() == 1);
  const auto crashes = talk.reply({"SYS", "CRASHES", "fragile"});
  REQUIRE(crashes.has_value());
  REQUIRE(crashes->elements.size() == 4);
  CHECK(field(crashes->elements[0], "fate") == "runs again");
  CHECK(field(crashes->elements[2], "fate") == "runs again");
  CHECK(field(crashes->elements[3], "fate") == "dropped");
  peeperd.stop();
}

TEST_CASE("more dead letters than there is room for push out the oldest, which are counted") {
  Instance peeperd{fragile_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string large(20'000, 'x');
  for (int i = 0; i < 6; ++i)
    CHECK(talk({"CALL", "fragile", "fall", large}).starts_with("-CRASHED"));
  const auto kept = letters(talk);
  REQUIRE(kept.size() >= 2);
  CHECK(field(kept.back(), "number") == "6");
  const auto status = talk.reply({"SYS", "GET_STATUS", "fragile"});
  REQUIRE(status.has_value());
  CHECK(status->field("dead_letters")->integer == static_cast<std::int64_t>(kept.size()));
  CHECK(status->field("dead_letters_lost")->integer == static_cast<std::int64_t>(6 - kept.size()));
  peeperd.stop();
}
