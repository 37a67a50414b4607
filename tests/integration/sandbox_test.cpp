// What a worker in a sandbox can't do, and what it still can.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace fs = std::filesystem;

std::string config(std::string_view more) {
  return "[[server]]\nname = \"process\"\nbehaviour = \"process\"\nmax_restarts = 1000000\n"
         "state_size = \"8MiB\"\n" + std::string(more) + "\n";
}

std::string attempt(Talk& talk, std::string_view what, std::string_view path = "") {
  return talk({"CALL", "process", "attempt", what, path});
}

}  // namespace

TEST_CASE("without a sandbox a worker does what its user may") {
  Instance peeperd{config("")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(attempt(talk, "tcp") == "ok");
  CHECK(attempt(talk, "udp6") != "EACCES");
  CHECK(attempt(talk, "create", (peeperd.directory() / "file").string()) == "ok");
  CHECK(attempt(talk, "keyctl") != "EPERM");
  CHECK(attempt(talk, "thread") == "ok");
  peeperd.stop();
}

TEST_CASE("a strict sandbox: no network, no files to write, no dangerous calls, the rest works") {
  Instance peeperd{config("sandbox = \"strict\"")};
  std::ofstream{peeperd.directory() / "there"} << "text";
  peeperd.start();
  Talk talk = peeperd.talk();
  // The first worker has made itself what it is; the second was a standby.
  for (int worker = 1; worker <= 2; ++worker) {
    CAPTURE(worker);
    for (const char* what : {"tcp", "udp6", "netlink", "packet"}) {
      CAPTURE(std::string(what));
      CHECK(attempt(talk, what) == "EACCES");
    }
    CHECK(attempt(talk, "io_uring") == "EACCES");
    CHECK(attempt(talk, "unix") == "ok");
    const std::string file = (peeperd.directory() / "file").string();
    const std::string there = (peeperd.directory() / "there").string();
    CHECK(attempt(talk, "create", file) == "EACCES");
    CHECK_FALSE(fs::exists(file));
    CHECK(attempt(talk, "write", there) == "EACCES");
    CHECK(attempt(talk, "unlink", there) == "EACCES");
    CHECK(attempt(talk, "read", there) == "ok");
    CHECK(attempt(talk, "write", "/dev/null") == "ok");
    for (const char* what : {"ptrace", "mount", "unshare", "clone", "keyctl"}) {
      CAPTURE(std::string(what));
      CHECK(attempt(talk, what) == "EPERM");
    }
    CHECK(attempt(talk, "thread") == "ok");
    std::ifstream status{"/proc/" + std::to_string(peeperd.worker("process")) + "/status"};
    std::string found;
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("NoNewPrivs:") || line.starts_with("Seccomp:")) found += line + "\n";
    CHECK(found == "NoNewPrivs:\t1\nSeccomp:\t2\n");
    // The state grows, a crash is told as ever, what it starts is as bound as it is, and ends.
    CHECK(talk({"CALL", "process", "inc"}) == std::to_string(worker));
    const Watch child{std::stoi(talk({"CALL", "process", "sleep", "daemon"}))};
    peeperd.await([&] { return peeperd.fact("process", "standby") != 0; });
    CHECK(talk({"CALL", "process", "segv"}).starts_with("-CRASHED process: SIGSEGV"));
    CHECK(child.gone());
  }
  peeperd.stop();
}

TEST_CASE("the heap of a worker in a sandbox grows") {
  Instance peeperd{"[[server]]\nname = \"kv\"\nbehaviour = \"kv\"\nsandbox = \"strict\"\n"
                   "state_size = \"16MiB\"\nmailbox = \"4MiB\"\n"};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string value(1'000'000, 'v');
  for (int i = 0; i < 8; ++i) CHECK(talk({"CALL", "kv", "SET", std::to_string(i), value}) == "OK");
  CHECK(talk({"CALL", "kv", "GET", "7"}) == value);
  peeperd.stop();
}

TEST_CASE("a sandbox lets be written what it names, and allows what its table says") {
  Instance peeperd{""};
  const fs::path data = peeperd.directory() / "data";
  fs::create_directories(data);
  std::ofstream{peeperd.directory() / "one"} << "text";
  std::ofstream{peeperd.config_file()}
      << config("[server.sandbox]\nnetwork = true\nseccomp = false\nwritable = [\"" +
                data.string() + "\", \"" + (peeperd.directory() / "one").string() + "\"]");
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(attempt(talk, "create", (data / "file").string()) == "ok");
  CHECK(attempt(talk, "unlink", (data / "file").string()) == "ok");
  CHECK(attempt(talk, "write", (peeperd.directory() / "one").string()) == "ok");
  CHECK(attempt(talk, "create", (peeperd.directory() / "other").string()) == "EACCES");
  CHECK(attempt(talk, "tcp") == "ok");
  CHECK(attempt(talk, "keyctl") != "EPERM");
  peeperd.stop();
}

TEST_CASE("a sandbox that can't be made is no reason to run without it") {
  Instance peeperd{config("[server.sandbox]\nwritable = [\"/no/such/directory\"]") +
                   counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "process", "inc"})
            .starts_with("-DOWN process: sandbox: cannot open /no/such/directory: No such file "
                         "or directory"));
  CHECK(talk({"CALL", "counter", "inc"}) == "1");
  peeperd.stop();
}
