// The metrics of a running peeperd, by `peeper metrics` and over HTTP, against what really happened.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "instance.hpp"
#include "require.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// The value of one sample, as it is written; empty: there is none.
std::string sample(const std::string& metrics, const std::string& name) {
  const std::size_t at = metrics.find("\n" + name + " ");
  if (at == metrics.npos) return "";
  const std::size_t begin = at + name.size() + 2;
  return metrics.substr(begin, metrics.find('\n', begin) - begin);
}

std::string metrics_of(const Instance& peeperd) {
  const Ran ran = peeperd.peeper({"metrics"});
  CHECK(ran.exit_code == 0);
  return ran.out;
}

// All that comes back until the end.
std::string ask(const UniqueFd& socket, std::string_view request) {
  require(::send(socket.get(), request.data(), request.size(), MSG_NOSIGNAL) ==
              static_cast<ssize_t>(request.size()),
          "the metrics' socket takes no request");
  std::string all;
  char bytes[4096];
  for (ssize_t got = 0; (got = ::recv(socket.get(), bytes, sizeof bytes, 0)) > 0;)
    all.append(bytes, static_cast<std::size_t>(got));
  return all;
}

UniqueFd connect_unix(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  require(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "nobody listens at " + path);
  return socket;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// One that nobody else has just now.
std::uint16_t free_port() {
  const UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address = loopback(0);
  socklen_t bytes = sizeof address;
  require(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), bytes) == 0 &&
              ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &bytes) == 0,
          "no free port");
  return ntohs(address.sin_port);
}

constexpr std::string_view kGet = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";

}  // namespace

TEST_CASE("metrics tell what clients did, what it came to, and what crashed of what") {
  Instance peeperd{counter_config("counter", "mailbox = \"64KiB\"\nstandby = 0\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (int i = 0; i < 10; ++i) talk({"CALL", "counter", "inc"});
  for (int i = 0; i < 3; ++i) talk({"CAST", "counter", "inc"});
  talk({"SEND", "counter", "tick"});
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "counter", "abort"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "TIMEOUT", "20", "counter", "hang", "200"}).starts_with("-TIMEOUT"));
  CHECK(talk({"CALL", "counter", "nonsense"}).starts_with("-BADARG"));
  CHECK(talk({"CALL", "counter", "inc", std::string(60'000, 'x')}).starts_with("-TOOBIG"));
  CHECK(talk({"SYS", "GET_STATE", "counter"}) == "[count 13]");
  const auto status = talk.reply({"SYS", "GET_STATUS", "counter"});
  REQUIRE(status.has_value());
  const std::string metrics = metrics_of(peeperd);
  CAPTURE(metrics);
  const auto of = [&](const std::string& name, const std::string& labels = "") {
    return sample(metrics, name + "{server=\"counter\"" + labels + "}");
  };
  CHECK(of("peeper_calls_total") == "14");
  CHECK(of("peeper_casts_total") == "3");
  CHECK(of("peeper_infos_total") == "1");
  CHECK(of("peeper_errors_total", ",kind=\"CRASHED\"") == "2");
  CHECK(of("peeper_errors_total", ",kind=\"TIMEOUT\"") == "1");
  CHECK(of("peeper_errors_total", ",kind=\"BADARG\"") == "1");
  CHECK(of("peeper_errors_total", ",kind=\"TOOBIG\"") == "1");
  CHECK(of("peeper_errors_total", ",kind=\"BUSY\"") == "0");
  CHECK(of("peeper_call_duration_seconds_count") == "14");
  CHECK(of("peeper_call_duration_seconds_bucket", ",le=\"+Inf\"") == "14");
  CHECK(of("peeper_crashes_total", ",cause=\"SIGSEGV\"") == "1");
  CHECK(of("peeper_crashes_total", ",cause=\"SIGABRT\"") == "1");
  CHECK(of("peeper_worker_starts_total") == "3");
  CHECK(of("peeper_server_state", ",state=\"running\"") == "1");
  CHECK(of("peeper_server_state", ",state=\"down\"") == "0");
  CHECK(of("peeper_mailbox_messages") == "0");
  CHECK(of("peeper_commits_total") == std::to_string(status->field("sequence")->integer));
  CHECK(std::stoi(of("peeper_heap_used_bytes")) > 0);
  CHECK(std::stoi(of("peeper_state_writes_total")) > 0);
  CHECK(sample(metrics, "peeper_connections") == "2");
  CHECK(std::stod(sample(metrics, "peeper_received_bytes_total")) > 60'000);
  CHECK(std::stod(sample(metrics, "process_cpu_seconds_total")) > 0);
  peeperd.stop();
}

TEST_CASE("metrics count a state's changes, not who might have changed it") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  talk({"CALL", "counter", "inc"});
  const auto count = [&](const char* name) {
    return std::stoi(sample(metrics_of(peeperd), std::string(name) + "{server=\"counter\"}"));
  };
  const int changes = count("peeper_state_changes_total");
  const int writes = count("peeper_state_writes_total");
  for (int i = 0; i < 300; ++i) talk({"CALL", "counter", "add", "2"});
  for (int i = 0; i < 5; ++i) talk({"CALL", "counter", "add", "0"});
  CHECK(talk({"SYS", "GET_STATE", "counter"}) == "[count 601]");
  CHECK(count("peeper_state_changes_total") == changes + 300);
  CHECK(count("peeper_state_writes_total") == writes + 305);
  // The next worker goes on counting.
  CHECK(talk({"CALL", "counter", "segv"}).starts_with("-CRASHED"));
  talk({"CALL", "counter", "inc"});
  CHECK(count("peeper_state_changes_total") == changes + 301);
  peeperd.stop();
}

TEST_CASE("metrics: the changes of a state go on when its segment was removed and made anew") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const auto changes = [&] {
    return std::stoi(
        sample(metrics_of(peeperd), "peeper_state_changes_total{server=\"counter\"}"));
  };
  for (int i = 0; i < 50; ++i) talk({"CALL", "counter", "inc"});
  const int before = changes();
  std::filesystem::remove(peeperd.segment("counter"));
  REQUIRE(peeperd.peeper({"restart", "counter"}).exit_code == 0);
  for (int i = 1; i <= 3; ++i) CHECK(talk({"CALL", "counter", "inc"}) == std::to_string(i));
  CHECK(changes() >= before + 3);
  peeperd.stop();
}

TEST_CASE("metrics are what Prometheus' own checker accepts") {
  Instance peeperd{counter_config() + counter_config("other")};
  peeperd.start();
  Talk talk = peeperd.talk();
  talk({"CALL", "counter", "inc"});
  talk({"CALL", "counter", "segv"});
  const std::string metrics = metrics_of(peeperd);
  peeperd.stop();
  const Ran ran = run({{"/bin/sh", "-c", "command -v promtool > /dev/null || exit 99; exec promtool "
                                         "check metrics"},
                       {}, "", ""},
                      metrics);
  // Not Debian's on each machine: see quickstart.
  if (ran.exit_code == 99) {
    MESSAGE("skipped: no promtool");
    return;
  }
  CHECK(ran.exit_code == 0);
  CHECK(ran.out + ran.err == "");
}

TEST_CASE("metrics count the crash that nobody's message caused, and one by kill -9") {
  Instance peeperd{counter_config("counter", "standby = 0\n")};
  peeperd.start();
  peeperd.kill("counter", {.worker = true, .keeper = false, .daemon = false});
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "1");
  const std::string name = "peeper_crashes_total{server=\"counter\",cause=\"SIGKILL\"}";
  CHECK(sample(metrics_of(peeperd), name) == "1");
  peeperd.stop();
}

TEST_CASE("metrics over HTTP on a Unix socket: the same text, and no more than that") {
  Instance peeperd{""};
  const std::string path = (peeperd.directory() / "metrics.sock").string();
  std::ofstream{peeperd.config_file()} << "[daemon]\nmetrics = \"" << path << "\"\n"
                                       << counter_config();
  peeperd.start();
  const std::string whole = ask(connect_unix(path), kGet);
  CHECK(whole.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(whole.find("Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n") != whole.npos);
  CHECK(sample(whole, "peeper_calls_total{server=\"counter\"}") == "0");
  const std::string head =
      ask(connect_unix(path), "HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(head.starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK(ask(connect_unix(path), "GET / HTTP/1.1\r\nHost: a\r\n\r\n").starts_with("HTTP/1.1 404 "));
  CHECK(ask(connect_unix(path), "POST /metrics HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n")
            .starts_with("HTTP/1.1 405 "));
  CHECK(ask(connect_unix(path), "nonsense\r\n\r\n") == "");
  CHECK(ask(connect_unix(path), "GET /metrics HTTP/1.1\r\nX: " + std::string(20'000, 'x')) == "");
  // Those who ask nothing, however many, don't keep others out, nor a client from its answer.
  std::vector<UniqueFd> idle;
  for (int i = 0; i < 20; ++i) idle.push_back(connect_unix(path));
  CHECK(ask(connect_unix(path), kGet).starts_with("HTTP/1.1 200 OK\r\n"));
  CHECK(peeperd.talk()({"CALL", "counter", "inc"}) == "1");
  // It is found after a kill -9, too.
  peeperd.kill_daemon();
  peeperd.start();
  CHECK(ask(connect_unix(path), kGet).starts_with("HTTP/1.1 200 OK\r\n"));
  peeperd.stop();
  CHECK(!std::filesystem::exists(path));
}

TEST_CASE("metrics over HTTP on loopback, and a port that is taken") {
  const std::uint16_t port = free_port();
  const std::string config = "[daemon]\nmetrics = \"localhost:" + std::to_string(port) + "\"\n";
  Instance peeperd{config + counter_config()};
  peeperd.start();
  const sockaddr_in address = loopback(port);
  const UniqueFd socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  REQUIRE(::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
  CHECK(sample(ask(socket, kGet), "peeper_calls_total{server=\"counter\"}") == "0");

  Instance second{config + counter_config()};
  const Ran ran = run(second.command());
  CHECK(ran.exit_code == 1);
  CHECK(second.log().find("cannot listen for metrics on 127.0.0.1:" + std::to_string(port)) !=
        std::string::npos);
  CHECK(second.log().find("choose another 'metrics'") != std::string::npos);
  peeperd.stop();
}
