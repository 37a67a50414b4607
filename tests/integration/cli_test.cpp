// The command `peeper` against a real peeperd: what it prints, where, and its exit code.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/json.hpp>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace json = boost::json;

struct Expected {
  int exit_code;
  std::string out;
  std::string err;
};

void check(const Instance& peeperd, const std::vector<std::string>& arguments,
           const Expected& expected) {
  std::string line;
  for (const std::string& argument : arguments) line += " " + argument;
  CAPTURE(line);
  const Ran ran = peeperd.peeper(arguments);
  CHECK(ran.exit_code == expected.exit_code);
  CHECK(ran.out == expected.out);
  CHECK(ran.err == expected.err);
}

// What it printed with --json: exactly one document in one line.
json::value document(const Instance& peeperd, std::vector<std::string> arguments, int exit_code) {
  arguments.insert(arguments.begin(), "--json");
  const Ran ran = peeperd.peeper(arguments);
  CHECK(ran.exit_code == exit_code);
  CHECK(ran.err == "");
  CHECK(ran.out.ends_with("\n"));
  CHECK(std::count(ran.out.begin(), ran.out.end(), '\n') == 1);
  boost::system::error_code error;
  json::value value = json::parse(ran.out, error);
  REQUIRE_MESSAGE(!error, ran.out);
  return value;
}

std::string error_code(const json::value& value) {
  return std::string(value.at("error").at("code").as_string());
}

constexpr const char* kNoServer =
    "(error) NOSERVER there is no server 'nobody'; SUPERVISOR WHICH_CHILDREN lists those there "
    "are\n";

}  // namespace

TEST_CASE("peeper calls, casts and sends") {
  Instance peeperd{counter_config()};
  peeperd.start();
  check(peeperd, {"ping"}, {0, "PONG\n", ""});
  check(peeperd, {"call", "counter", "state"}, {0, "0\n", ""});
  check(peeperd, {"call", "counter", "inc"}, {0, "1\n", ""});
  check(peeperd, {"cast", "counter", "inc"}, {0, "OK\n", ""});
  check(peeperd, {"send", "counter", "inc"}, {0, "OK\n", ""});
  check(peeperd, {"call", "counter", "state"}, {0, "3\n", ""});
  check(peeperd, {"state", "counter"}, {0, "count: 3\n", ""});
  peeperd.stop();
}

TEST_CASE("arguments after the message are the server's, whatever they look like") {
  Instance peeperd{counter_config()};
  peeperd.start();
  check(peeperd, {"call", "counter", "add", "-5"}, {0, "-5\n", ""});
  check(peeperd, {"call", "--timeout", "4000", "counter", "add", "7"}, {0, "2\n", ""});
  for (const std::string argument : {"--json", "--", "-h", "--help", "-s", "", "two words"})
    check(peeperd, {"call", "counter", "add", argument},
          {1, "", "(error) BADARG add needs an integer, got '" + argument + "'\n"});
  check(peeperd, {"call", "--", "counter", "add", "-5"}, {0, "-3\n", ""});
  peeperd.stop();
}

TEST_CASE("an error of the server's goes to stderr and is exit code 1") {
  Instance peeperd{counter_config()};
  peeperd.start();
  check(peeperd, {"call", "counter", "segv"},
        {1, "", "(error) CRASHED counter: SIGSEGV at 0x0 in 'segv'\n"});
  check(peeperd, {"call", "nobody", "inc"}, {1, "", kNoServer});
  check(peeperd, {"cast", "nobody", "inc"}, {1, "", kNoServer});
  check(peeperd, {"state", "nobody"}, {1, "", kNoServer});
  check(peeperd, {"status", "nobody"}, {1, "", kNoServer});
  check(peeperd, {"kill", "nobody"}, {1, "", kNoServer});
  check(peeperd, {"call", "counter", "nonsense"},
        {1, "", "(error) BADARG counter knows no message 'nonsense'\n"});
  peeperd.stop();
}

TEST_CASE("mistaken usage is exit code 2 and asks nothing of peeperd") {
  Instance peeperd{counter_config()};
  peeperd.start();
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {},
           {"nonsense"},
           {"call"},
           {"call", "counter"},
           {"state"},
           {"ping", "more"},
           {"--nonsense", "ping"},
           {"call", "--timeout", "0", "counter", "inc"},
           {"call", "--timeout", "soon", "counter", "inc"}}) {
    const Ran ran = peeperd.peeper(arguments);
    CHECK(ran.exit_code == 2);
    CHECK(ran.out == "");
    CHECK(ran.err != "");
  }
  check(peeperd, {"call", "counter", "state"}, {0, "0\n", ""});
  peeperd.stop();
}

TEST_CASE("no peeperd is exit code 3") {
  Instance peeperd{counter_config()};
  const Ran never = peeperd.peeper({"ping"});
  CHECK(never.exit_code == 3);
  CHECK(never.out == "");
  CHECK(never.err.find(peeperd.socket()) != std::string::npos);
  CHECK(error_code(document(peeperd, {"ping"}, 3)) == "CONNECT");

  peeperd.start();
  peeperd.kill_daemon();
  const Ran killed = peeperd.peeper({"call", "counter", "inc"});
  CHECK(killed.exit_code == 3);
  CHECK(killed.err != "");
}

TEST_CASE("a peeperd that dies while it is asked is exit code 3") {
  Instance peeperd{counter_config("counter", "callback_timeout = 0")};
  peeperd.start();
  Process asking{{{program("peeper"), "-s", peeperd.socket(), "call", "counter", "hang", "60000"},
                  {},
                  "",
                  (peeperd.directory() / "asking").string()}};
  peeperd.await_message("counter");
  peeperd.kill_daemon();
  const auto status = asking.wait();
  REQUIRE(status.has_value());
  CHECK(WIFEXITED(*status));
  CHECK(WEXITSTATUS(*status) == 3);
}

TEST_CASE("a call that takes too long is exit code 4, whoever loses patience") {
  Instance peeperd{counter_config()};
  peeperd.start();
  check(peeperd, {"call", "--timeout", "50", "counter", "hang", "300"},
        {4, "", "(error) TIMEOUT counter: no reply in time; the message may still be handled\n"});
  check(peeperd, {"--timeout", "50", "call", "counter", "hang", "300"},
        {4, "", "peeper: no answer within 50 ms; the command may or may not have been carried "
                "out\n"});
  CHECK(error_code(document(peeperd, {"call", "--timeout", "50", "counter", "hang", "300"}, 4)) ==
        "TIMEOUT");
  check(peeperd, {"call", "counter", "inc"}, {0, "1\n", ""});
  peeperd.stop();
}

TEST_CASE("ls shows each server in a line, status all about one") {
  Instance peeperd{counter_config() + counter_config("other")};
  peeperd.start();
  check(peeperd, {"call", "counter", "segv"},
        {1, "", "(error) CRASHED counter: SIGSEGV at 0x0 in 'segv'\n"});
  check(peeperd, {"call", "counter", "inc"}, {0, "1\n", ""});
  const std::string list = peeperd.peeper({"ls"}).out;
  CAPTURE(list);
  CHECK(std::count(list.begin(), list.end(), '\n') == 3);
  CHECK(list.starts_with("SERVER   STATE"));
  const std::string line = line_with(list, "counter ");
  CHECK(line.starts_with("counter  running"));
  CHECK(line.find(" " + std::to_string(peeperd.worker("counter")) + " ") != std::string::npos);
  CHECK(line.find(" " + std::to_string(peeperd.keeper("counter")) + " ") != std::string::npos);
  CHECK(line_with(list, "other ").starts_with("other    running"));

  const std::string status = peeperd.peeper({"status", "counter"}).out;
  CAPTURE(status);
  CHECK(line_with(status, "state:").ends_with(" running"));
  CHECK(line_with(status, "crashes:").ends_with(" 1"));
  CHECK(line_with(status, "last_crash:").ends_with(" SIGSEGV at 0x0 in 'segv'"));
  CHECK(line_with(status, "segment:").ends_with(" " + peeperd.segment("counter")));
  CHECK(line_with(status, "library:").ends_with("/counter.so"));
  peeperd.stop();
}

TEST_CASE("a server that is down says why, in ls, status and to callers") {
  Instance peeperd{"[[server]]\nname = \"bad\"\nbehaviour = \"init_throws\"\n" +
                   counter_config()};
  peeperd.start();
  peeperd.await([&] { return peeperd.text_fact("bad", "state") == "down"; });
  const std::string why =
      "DOWN bad: more than 3 restarts in 5 s, last: std::runtime_error: nothing to begin with. Its "
      "state is kept; to start it: peeper start bad";
  check(peeperd, {"call", "bad", "state"}, {1, "", "(error) " + why + "\n"});
  check(peeperd, {"kill", "bad"}, {1, "", "(error) DOWN bad: it has no worker now\n"});
  const Ran status = peeperd.peeper({"status", "bad"});
  CHECK(status.exit_code == 0);
  CHECK(line_with(status.out, "state:").ends_with(" down"));
  CHECK(line_with(status.out, "worker:").ends_with(" (nil)"));
  CHECK(line_with(status.out, "down:").ends_with(why));
  CHECK(line_with(peeperd.peeper({"ls"}).out, "bad ").find(" down ") != std::string::npos);
  peeperd.stop();
}

TEST_CASE("kill ends worker or keeper by the signal asked for, and they come back") {
  Instance peeperd{counter_config()};
  peeperd.start();
  check(peeperd, {"call", "counter", "inc"}, {0, "1\n", ""});
  struct Way {
    std::vector<std::string> arguments;
    bool is_keeper;
    const char* last_crash;
  };
  const Way ways[] = {{{}, false, "SIGKILL"},
                      {{"worker"}, false, "SIGKILL"},
                      {{"worker", "SIGABRT"}, false, "SIGABRT"},
                      {{"worker", "segv"}, false, "SIGSEGV"},
                      {{"keeper"}, true, "SIGSEGV"},
                      {{"keeper", "TERM"}, true, "SIGSEGV"}};
  for (const Way& way : ways) {
    const Watch worker{peeperd.worker("counter")};
    const Watch keeper{peeperd.keeper("counter")};
    std::vector<std::string> command{"kill", "counter"};
    command.insert(command.end(), way.arguments.begin(), way.arguments.end());
    check(peeperd, command, {0, "OK\n", ""});
    CHECK((way.is_keeper ? keeper : worker).gone());
    CHECK_FALSE((way.is_keeper ? worker : keeper).gone(0ms));
    check(peeperd, {"call", "counter", "state"}, {0, "1\n", ""});
    peeperd.await([&] { return peeperd.text_fact("counter", "state") == "running" &&
                               peeperd.keeper("counter") != 0; });
    const std::string status = peeperd.peeper({"status", "counter"}).out;
    CHECK(line_with(status, "last_crash:").ends_with(std::string(" ") + way.last_crash));
  }
  const Ran unknown = peeperd.peeper({"kill", "counter", "worker", "SIGNONE"});
  CHECK(unknown.exit_code == 1);
  CHECK(unknown.err.starts_with("(error) BADARG no signal 'SIGNONE'"));
  peeperd.stop();
}

TEST_CASE("with --json every answer is one document, errors too") {
  Instance peeperd{counter_config()};
  peeperd.start();
  CHECK(document(peeperd, {"ping"}, 0) == json::value("PONG"));
  CHECK(document(peeperd, {"call", "counter", "add", "-5"}, 0) == json::value(-5));
  CHECK(document(peeperd, {"cast", "counter", "inc"}, 0) == json::value("OK"));
  CHECK(document(peeperd, {"state", "counter"}, 0) == json::parse(R"({"count": -4})"));
  CHECK(document(peeperd, {"kill", "counter", "worker", "SIGKILL"}, 0) == json::value("OK"));

  const json::value list = document(peeperd, {"ls"}, 0);
  REQUIRE(list.as_array().size() == 1);
  CHECK(list.as_array()[0].at("server") == json::value("counter"));
  CHECK(list.as_array()[0].at("keeper").as_int64() == peeperd.keeper("counter"));
  CHECK(list.as_array()[0].at("in_message") == json::value(false));
  const json::value status = document(peeperd, {"status", "counter"}, 0);
  CHECK(status.at("segment") == json::value(peeperd.segment("counter")));
  CHECK(status.at("crashes") == json::value(1));

  const json::value crashed = document(peeperd, {"call", "counter", "segv"}, 1);
  CHECK(error_code(crashed) == "CRASHED");
  CHECK(crashed.at("error").at("message") ==
        json::value("counter: SIGSEGV at 0x0 in 'segv'"));
  CHECK(error_code(document(peeperd, {"state", "nobody"}, 1)) == "NOSERVER");
  // What is no UTF-8 can't be in JSON as it is.
  CHECK(error_code(document(peeperd, {"call", "counter", "add", "\xff\x01\""}, 1)) == "BADARG");
  peeperd.stop();
}

TEST_CASE("the socket may come from the environment") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const Ran ran = run({{program("peeper"), "call", "counter", "inc"},
                       {{"PEEPER_SOCKET", peeperd.socket()}},
                       "",
                       ""});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out == "1\n");
  peeperd.stop();
}
