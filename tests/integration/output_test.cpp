// What workers write to stdout and stderr, from their pipes to `peeper log` and peeperd's own log.
#include <doctest/doctest.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <fstream>
#include <regex>

#include "common/limits.hpp"
#include "common/server_channels.hpp"
#include "instance.hpp"
#include "raw_client.hpp"
#include "require.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// AddressSanitizer keeps what was freed for a while.
#ifdef PEEPER_SANITIZED
constexpr std::int64_t kRoomKib = 512 * 1024;
#else
constexpr std::int64_t kRoomKib = 32 * 1024;
#endif

std::string prints_config(std::string_view name = "mine", std::string_view more = "") {
  return "[[server]]\nname = \"" + std::string(name) +
         "\"\nbehaviour = \"prints\"\nmax_restarts = 1000000\nstate_size = \"1MiB\"\n" +
         std::string(more) + "\n";
}

// "1err text" of each line that SYS OUTPUT has, "~" behind a partial one.
std::vector<std::string> output(Instance& peeperd, std::string_view server = "mine",
                                std::string_view lines = "1024") {
  Talk talk = peeperd.talk();
  const auto reply = talk.reply({"SYS", "OUTPUT", server, lines});
  REQUIRE(reply.has_value());
  std::vector<std::string> texts;
  for (const resp::Reply& line : reply->elements) {
    const resp::Reply& incarnation = *line.field("incarnation");
    texts.push_back((incarnation.type == resp::Reply::Type::kNull
                         ? "standby"
                         : std::to_string(incarnation.integer)) +
                    line.field("stream")->text + " " + line.field("line")->text +
                    (line.field("partial")->integer != 0 ? "~" : ""));
  }
  return texts;
}

bool has(const std::vector<std::string>& lines, std::string_view line) {
  return std::ranges::find(lines, line) != lines.end();
}

bool mentions(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// What a program writes to its stdout, a line at a time.
class Reader {
 public:
  explicit Reader(Process& process) : process_(process) {}
  std::string line() {
    while (true) {
      if (const auto end = text_.find('\n'); end != text_.npos) {
        std::string line = text_.substr(0, end);
        text_.erase(0, end + 1);
        return line;
      }
      pollfd wanted{process_.standard_output.get(), POLLIN, 0};
      require(::poll(&wanted, 1, static_cast<int>(kPatience.count() * 1000)) == 1, "no line comes");
      char buffer[65536];
      const ssize_t got = ::read(process_.standard_output.get(), buffer, sizeof buffer);
      require(got > 0, "the program has ended");
      text_.append(buffer, static_cast<std::size_t>(got));
    }
  }

 private:
  Process& process_;
  std::string text_;
};

Spawn following(const Instance& peeperd, std::vector<std::string> more = {}) {
  std::vector<std::string> command{program("peeper"), "-s", peeperd.socket(), "log", "-f"};
  command.insert(command.end(), more.begin(), more.end());
  return {std::move(command), {{"TZ", "UTC"}}, {}, {}};
}

}  // namespace

TEST_CASE("log: what workers write comes line by line, with server, incarnation and stream") {
  Instance peeperd{prints_config("mine") + prints_config("other")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "out", "half, "}) == "OK");
  CHECK(talk({"CALL", "mine", "err", "an error\n"}) == "OK");
  CHECK(talk({"CALL", "mine", "out", "whole\n\n"}) == "OK");
  CHECK(talk({"CALL", "mine", "stdio"}) == "OK");
  CHECK(talk({"CALL", "other", "out", "of the other\n"}) == "OK");
  peeperd.await(
      [&] { return output(peeperd).size() == 6 && output(peeperd, "other").size() == 1; });
  const auto lines = output(peeperd);
  for (const char* line : {"1out half, whole", "1out ", "1out by printf", "1out by cout 1",
                           "1err an error", "1err by cerr"})
    CHECK(has(lines, line));
  CHECK(output(peeperd, "other") == std::vector<std::string>{"1out of the other"});
  CHECK(output(peeperd, "*").size() == 7);
  CHECK(output(peeperd, "*", "1").size() == 1);
  CHECK(output(peeperd, "mine", "0").empty());

  const Ran text = peeperd.peeper({"log", "mine"});
  CHECK(text.exit_code == 0);
  const std::regex form{R"(\d\d:\d\d:\d\d\.\d\d\d mine#1 (out|err)\| .*)"};
  std::istringstream stream{text.out};
  int count = 0;
  for (std::string line; std::getline(stream, line); ++count) CHECK(std::regex_match(line, form));
  CHECK(count == 6);
  CHECK(mentions(text.out, " mine#1 err| an error\n"));

  const Ran json = peeperd.peeper({"--json", "log", "-n", "1000"});
  std::istringstream documents{json.out};
  count = 0;
  for (std::string line; std::getline(documents, line); ++count) {
    const auto object = boost::json::parse(line).as_object();
    for (const char* key : {"time", "server", "incarnation", "stream", "line", "dropped"})
      CHECK(object.contains(key));
  }
  CHECK(count == 7);
  CHECK(mentions(peeperd.log(), "[info] server mine#1 err| an error\n"));
  CHECK(peeperd.peeper({"log", "nobody"}).exit_code == 1);
  CHECK(talk({"SYS", "OUTPUT", "mine", "1025"}).starts_with("-BADARG"));
  CHECK(talk({"SYS", "OUTPUT", "mine", "-1"}).starts_with("-BADARG"));
  peeperd.stop();
}

TEST_CASE("log: long lines go on in the next, and none can pass for one of peeperd's own") {
  Instance peeperd{prints_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string longest(limits::kOutputLineBytes, 'x');
  CHECK(talk({"CALL", "mine", "out", longest + "yz\n"}) == "OK");
  CHECK(talk({"CALL", "mine", "err", "\r[critical] server other is down\x1b[2J\n"}) == "OK");
  peeperd.await([&] { return output(peeperd).size() == 3; });
  CHECK(has(output(peeperd), "1out " + longest + "~"));
  CHECK(has(output(peeperd), "1out yz"));
  CHECK(mentions(peeperd.log(), R"(server mine#1 err| \r[critical] server other is down\x1b[2J)"));
  peeperd.stop();
}

TEST_CASE("log: the last words of a worker are there when its crash is told") {
  Instance peeperd{prints_config("mine", "standby = 0")};
  peeperd.start();
  Talk talk = peeperd.talk();
  // More than is taken in one go of a worker that lives.
  std::string words;
  for (int i = 1; i <= 300; ++i) words += "why " + std::to_string(i) + "\n";
  for (const char* how : {"segv", "abort", "kill"}) {
    CAPTURE(how);
    const std::string incarnation = std::to_string(peeperd.fact("mine", "incarnation"));
    CHECK(talk({"CALL", "mine", "last_words", words + "and", how}).starts_with("-CRASHED"));
    const auto lines = output(peeperd);
    CHECK(has(lines, incarnation + "out last by printf"));
    for (int i = 1; i <= 300; ++i)
      REQUIRE(has(lines, incarnation + "err why " + std::to_string(i)));
    // Whether a line that was begun goes on is known when the process is gone.
    peeperd.await([&] { return has(output(peeperd), incarnation + "err and~"); });
    peeperd.await([&] { return peeperd.text_fact("mine", "state") == "running"; });
  }
  peeperd.stop();
}

TEST_CASE("log: who else holds the pipes of a dead worker keeps nobody waiting") {
  Instance peeperd{prints_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(std::stoi(talk({"CALL", "mine", "hold"})) > 0);
  CHECK(talk({"CALL", "mine", "last_words", "bye\n", "segv"}).starts_with("-CRASHED"));
  CHECK(has(output(peeperd), "1err bye"));
  CHECK(talk({"CALL", "mine", "inc"}) == "1");
  CHECK(std::stoi(talk({"CALL", "mine", "hold"})) > 0);
  peeperd.stop();
}

TEST_CASE("log: a standby's lines are a standby's, then those of the incarnation it becomes") {
  Instance peeperd{prints_config("mine", "environment = { PRINTS_AT_LOADING = \"1\" }")};
  peeperd.start();
  Talk talk = peeperd.talk();
  peeperd.await([&] { return output(peeperd).size() == 2; });
  CHECK(output(peeperd) == std::vector<std::string>{"1err loaded", "standbyerr loaded"});
  CHECK(talk({"CALL", "mine", "segv"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "mine", "out", "activated\n"}) == "OK");
  peeperd.await([&] { return has(output(peeperd), "2out activated"); });
  CHECK(mentions(peeperd.peeper({"log", "mine"}).out, " mine#standby err| loaded\n"));
  peeperd.stop();
}

TEST_CASE("log: a flood slows its worker only, takes no memory, and its end is kept") {
  Instance peeperd{prints_config("mine", "callback_timeout = 0\n") + counter_config()};
  peeperd.start();
  Talk flooding = peeperd.talk();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  const std::int64_t before = peak_kib(peeperd.daemon().pid());
  flooding.send({"CALL", "TIMEOUT", "600000", "mine", "flood", "60000"});
  peeperd.await([&] { return output(peeperd).size() > 100; });
  // Meanwhile another server is as fast as ever.
  auto slowest = std::chrono::steady_clock::duration{0};
  for (int i = 2; i <= 200; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(i));
    slowest = std::max(slowest, std::chrono::steady_clock::now() - begin);
  }
  CHECK(slowest < 1s);
  CHECK(flooding.receive() == "OK");
  peeperd.await([&] {
    const auto lines = output(peeperd);
    return lines.back().starts_with("1out 60000 ");
  });
  const auto lines = output(peeperd);
  REQUIRE(lines.size() > 100);
  for (std::size_t i = 0; i < lines.size(); ++i)
    REQUIRE(lines[i].starts_with("1out " + std::to_string(60001 - (lines.size() - i)) + " "));
  CHECK(peak_kib(peeperd.daemon().pid()) - before < kRoomKib);
  const Ran shown = peeperd.peeper({"log", "-n", "1024", "mine"});
  CHECK(mentions(shown.out, ": " + std::to_string(60000 - lines.size()) + " lines dropped\n"));
  peeperd.stop();
}

TEST_CASE("log: of two followers one doesn't read, and the other misses nothing") {
  Instance peeperd{prints_config("mine", "callback_timeout = 0\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  RawClient sleeper{peeperd.socket()};
  REQUIRE(sleeper.send("HELLO 3\r\nSUBSCRIBE mine!output\r\n"));
  Process follower{following(peeperd, {"-n", "1", "mine"})};
  Reader reader{follower};
  CHECK(talk({"CALL", "mine", "out", "begin\n"}) == "OK");
  CHECK(reader.line().ends_with(" mine#1 out| begin"));
  talk.send({"CALL", "TIMEOUT", "600000", "mine", "flood", "20000"});
  for (int i = 1; i <= 20000; ++i) {
    const std::string line = reader.line();
    REQUIRE(line.find(" mine#1 out| " + std::to_string(i) + " ") != line.npos);
  }
  CHECK(talk.receive() == "OK");
  follower.signal(SIGINT);
  CHECK(follower.wait().has_value());
  peeperd.stop();
}

TEST_CASE("log: following outlives peeperd, and without SERVER it is all servers'") {
  Instance peeperd{prints_config("mine") + prints_config("other")};
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "out", "past\n"}) == "OK");
  peeperd.await([&] { return output(peeperd).size() == 1; });
  Process follower{following(peeperd)};
  Process json{following(peeperd, {"--json"})};
  Process impatient{following(peeperd, {"--no-retry", "-n", "1"})};
  Reader reader{follower};
  Reader documents{json};
  Reader once{impatient};
  CHECK(reader.line().ends_with(" mine#1 out| past"));
  CHECK(boost::json::parse(documents.line()).at("line") == "past");
  CHECK(once.line().ends_with(" mine#1 out| past"));
  CHECK(peeperd.talk()({"CALL", "other", "err", "now\n"}) == "OK");
  CHECK(reader.line().ends_with(" other#1 err| now"));
  CHECK(boost::json::parse(documents.line()).at("server") == "other");
  CHECK(once.line().ends_with(" other#1 err| now"));
  peeperd.kill_daemon();
  const auto status = impatient.wait();
  REQUIRE(status.has_value());
  CHECK(WEXITSTATUS(*status) == 3);
  peeperd.start();
  // Whether they have subscribed again by then or not.
  CHECK(peeperd.talk()({"CALL", "mine", "out", "again\n"}) == "OK");
  CHECK(reader.line().ends_with(" out| again"));
  CHECK(boost::json::parse(documents.line()).at("line") == "again");
  for (Process* one : {&follower, &json}) {
    one->signal(SIGINT);
    CHECK(one->wait().has_value());
  }
  peeperd.stop();
}

TEST_CASE("log: a worker that writes when peeperd is killed ends with it, and its message counts") {
  Instance peeperd{prints_config("mine", "callback_timeout = 0\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "inc"}) == "1");
  talk.send({"CALL", "TIMEOUT", "600000", "mine", "flood", "1000000"});
  peeperd.await_message("mine");
  const Watch worker{peeperd.worker("mine")};
  peeperd.kill_daemon();
  CHECK(worker.gone());
  peeperd.start();
  peeperd.await_message("mine");  // nobody saw why it ended, so it runs again
  CHECK(peeperd.talk()({"SYS", "KILL", "mine"}) == "OK");
  CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == "2");
  peeperd.stop();
}
