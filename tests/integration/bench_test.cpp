// `peeper bench` against a real peeperd.
#include <doctest/doctest.h>
#include <sys/wait.h>

#include <algorithm>
#include <boost/json.hpp>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace json = boost::json;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("bench runs each call once, over all clients and with any pipeline") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const Ran plain = peeperd.peeper({"bench", "-n", "500", "counter", "inc"});
  CHECK(plain.exit_code == 0);
  CHECK(plain.err == "");  // no progress where no terminal is
  CHECK(plain.out.starts_with("CALL counter inc\n1 client, pipeline 1: 500 answers in "));
  CHECK(has(plain.out, "\nerrors      0\n"));
  const Ran wide =
      peeperd.peeper({"bench", "-c", "20", "-P", "16", "-n", "1501", "counter", "add", "1"});
  CHECK(wide.exit_code == 0);
  CHECK(has(wide.out, "20 clients, pipeline 16: 1501 answers in "));
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "2001");
  peeperd.stop();
}

TEST_CASE("bench --channel asks through memory shared with the worker, each call once") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const Ran plain = peeperd.peeper({"bench", "--channel", "-n", "20000", "counter", "inc"});
  CHECK(plain.exit_code == 0);
  CHECK(plain.err == "");
  CHECK(has(plain.out, "1 channel, pipeline 1: 20000 answers in "));
  CHECK(has(plain.out, "\nerrors      0\n"));
  const Ran wide = peeperd.peeper(
      {"bench", "--channel", "-c", "3", "-P", "16", "-n", "30001", "counter", "add", "1"});
  CHECK(wide.exit_code == 0);
  CHECK(has(wide.out, "3 channels, pipeline 16: 30001 answers in "));
  CHECK(peeperd.talk()({"CALL", "counter", "state"}) == "50001");
  const Ran none = peeperd.peeper({"bench", "--channel", "nobody", "inc"});
  CHECK(none.exit_code == 1);
  CHECK(has(none.err, "NOSERVER"));
  const Ran many = peeperd.peeper({"bench", "--channel", "-c", "33", "counter", "inc"});
  CHECK(many.exit_code == 2);
  CHECK(has(many.err, "a server has 32 channels at most"));
  const Ran wrong = peeperd.peeper({"bench", "--channel", "-n", "10", "counter", "nonsense"});
  CHECK(wrong.exit_code == 1);
  CHECK(has(wrong.out, "errors      10"));
  peeperd.stop();
}

TEST_CASE("bench with --json prints one object, whose histogram has all answers") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const Ran ran = peeperd.peeper({"--json", "bench", "-c", "3", "-n", "300", "counter", "inc"});
  CHECK(ran.exit_code == 0);
  CHECK(ran.err == "");
  CHECK(std::count(ran.out.begin(), ran.out.end(), '\n') == 1);
  const json::value value = json::parse(ran.out);
  CHECK(value.at("requests") == 300);
  CHECK(value.at("errors") == 0);
  CHECK(value.at("requests_per_second").as_double() > 0);
  std::int64_t counted = 0;
  for (const json::value& bar : value.at("histogram").as_array())
    counted += bar.at("requests").to_number<std::int64_t>();
  CHECK(counted == 300);
  const json::value& latency = value.at("latency_us");
  CHECK(latency.at("min").as_double() <= latency.at("p50").as_double());
  CHECK(latency.at("p50").as_double() <= latency.at("max").as_double());
  peeperd.stop();
}

TEST_CASE("bench counts errors of the server, shows the first, and is exit code 1") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const Ran wrong = peeperd.peeper({"bench", "-n", "50", "counter", "nonsense"});
  CHECK(wrong.exit_code == 1);
  CHECK(has(wrong.out, "errors      50\nthe first   BADARG counter knows no message 'nonsense'\n"));
  const Ran nobody = peeperd.peeper({"--json", "bench", "-n", "50", "nobody", "inc"});
  CHECK(nobody.exit_code == 1);
  const json::value value = json::parse(nobody.out);
  CHECK(value.at("errors") == 50);
  CHECK(value.at("first_error").as_string().starts_with("NOSERVER "));
  // The worker crashes meanwhile; that too is an answer.
  const Ran crashes = peeperd.peeper({"bench", "-n", "3", "counter", "segv"});
  CHECK(crashes.exit_code == 1);
  CHECK(has(crashes.out, "errors      3\nthe first   CRASHED counter: SIGSEGV"));
  peeperd.stop();
}

TEST_CASE("bench with wrong arguments is exit code 2, without a peeperd 3") {
  Instance peeperd{counter_config()};
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"bench"}, {"bench", "counter"}, {"bench", "-c", "0", "counter", "inc"},
           {"bench", "-n", "5", "-c", "6", "counter", "inc"}}) {
    const Ran ran = peeperd.peeper(arguments);
    CHECK(ran.exit_code == 2);
    CHECK(ran.out == "");
    CHECK(ran.err.ends_with("see peeper --help\n"));
  }
  const Ran absent = peeperd.peeper({"bench", "counter", "inc"});
  CHECK(absent.exit_code == 3);
  CHECK(absent.out == "");
  CHECK(has(absent.err, peeperd.socket()));
}

TEST_CASE("bench says so when peeperd dies midway: exit code 3") {
  Instance peeperd{counter_config("counter", "callback_timeout = 0")};
  peeperd.start();
  const std::string output = (peeperd.directory() / "bench").string();
  Process bench{{{program("peeper"), "-s", peeperd.socket(), "bench", "-c", "4", "-P", "4", "-n",
                  "1000000000", "counter", "inc"},
                 {},
                 "",
                 output}};
  peeperd.await([&] {
    const std::string count = peeperd.talk()({"CALL", "counter", "state"});
    return count.size() > 3;
  });
  peeperd.kill_daemon();
  const auto status = bench.wait();
  REQUIRE(status.has_value());
  CHECK(WIFEXITED(*status));
  CHECK(WEXITSTATUS(*status) == 3);
  std::ifstream file{output};
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  CAPTURE(text);
  CHECK(text.starts_with("peeper: peeperd closed the connection; "));
  CHECK(has(text, " of 1000000000 calls had been answered\n"));
}

TEST_CASE("bench gives up a call that has no answer: exit code 4") {
  Instance peeperd{counter_config()};
  peeperd.start();
  peeperd.daemon().signal(SIGSTOP);
  const Ran ran = peeperd.peeper({"--timeout", "200", "bench", "counter", "inc"});
  peeperd.daemon().signal(SIGCONT);
  CHECK(ran.exit_code == 4);
  CHECK(ran.out == "");
  CHECK(has(ran.err, "no answer within 200 ms"));
  CHECK(has(ran.err, "; 0 of 100000 calls had been answered"));
  peeperd.stop();
}
