// The keys of a [[server]] that are about its worker's process, and what this machine can't do.
#include <doctest/doctest.h>

#include <string>

#include "daemon/config/load.hpp"
#include "daemon/config/process_rights.hpp"
#include "daemon/process/worker_process.hpp"

using namespace peeper;
using namespace peeper::config;
using namespace std::chrono_literals;

namespace {

std::string told(const std::vector<Mistake>& mistakes) {
  std::string text;
  for (const Mistake& mistake : mistakes)
    text += std::to_string(mistake.line) + ": " + mistake.text + "\n";
  return text;
}

// A server with these lines in it; the first of them is line 4.
Loaded server_with(const std::string& lines) {
  return parse("[[server]]\nname = \"a\"\nbehaviour = \"a\"\n" + lines, "c.toml");
}

ProcessSection good(const std::string& lines) {
  const Loaded loaded = server_with(lines);
  REQUIRE_MESSAGE(loaded.mistakes.empty(), told(loaded.mistakes));
  return loaded.config.servers.front().process;
}

std::string refused(const std::string& lines) { return told(server_with(lines).mistakes); }

std::string beyond(const std::string& lines, const Rights& rights) {
  Loaded loaded = server_with(lines);
  REQUIRE_MESSAGE(loaded.mistakes.empty(), told(loaded.mistakes));
  const auto unknown = find_accounts(loaded.config.servers);
  REQUIRE_MESSAGE(unknown.empty(), told(unknown));
  return told(beyond_rights(loaded.config.servers, rights));
}

bool mentions(const std::string& text, std::string_view part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("\"" << text << "\" lacks \"" << part << "\"");
  return found;
}

constexpr Rights kRoot{true, 1'000, true, true, 3};
constexpr Rights kUser{false, 1'000, false, false, 3};

}  // namespace

TEST_CASE("a server's process has no limits, no other user and no sandbox unless it says so") {
  const ProcessSection process = good("");
  CHECK(process.limits == Limits{});
  CHECK(process.user.empty());
  CHECK_FALSE(process.nice.has_value());
  CHECK_FALSE(process.oom_score_adj.has_value());
  CHECK(process.environment.empty());
  CHECK(process.working_directory.empty());
  CHECK(process.sandbox == Sandbox{});
  CHECK(beyond("", kRoot).empty());
  CHECK(beyond("", Rights{}).empty());
}

TEST_CASE("every key of a server's process is read") {
  const ProcessSection process = good(
      "user = 0\nnice = -5\noom_score_adj = 1000\nworking_directory = \"/tmp\"\n"
      "environment = {B = \"2\", A = \"one two\"}\n"
      "[server.limits]\nmemory = \"512MiB\"\nprocesses = 10\nnofile = 100\ncpu = \"1500ms\"\n"
      "[server.sandbox]\nnetwork = true\nwritable = [\"/var/lib/a\"]\n");
  CHECK(process.user == "0");
  CHECK(process.nice == -5);
  CHECK(process.oom_score_adj == 1000);
  CHECK(process.working_directory == "/tmp");
  CHECK(process.environment ==
        std::vector<std::pair<std::string, std::string>>{{"A", "one two"}, {"B", "2"}});
  CHECK(process.limits == Limits{512 * limits::MiB, 10, 100, 2s});
  CHECK(process.sandbox == Sandbox{true, true, true, {"/var/lib/a"}, true});
  CHECK(good("user = \"root\"").user == "root");
  CHECK(good("sandbox = \"strict\"").sandbox == Sandbox::strict());
  CHECK(good("sandbox = {}").sandbox == Sandbox::strict());
  CHECK(good("sandbox = \"none\"").sandbox == Sandbox{});
  CHECK(good("sandbox = {no_new_privileges = true, network = true, read_only = false, "
             "seccomp = false}").sandbox == Sandbox{true, true, false, {}, false});
}

TEST_CASE("what a server's process can't be given is refused with its line") {
  CHECK(mentions(refused("nice = 20"), "4: nice: expected a whole number from -20 to 19"));
  CHECK(mentions(refused("nice = \"low\""), "found the string \"low\""));
  CHECK(mentions(refused("oom_score_adj = -1001"), "4: oom_score_adj: expected a whole number"));
  CHECK(mentions(refused("user = \"\""), "4: user: expected the name or the number of a user"));
  CHECK(mentions(refused("user = -1"), "4: user: expected a string"));
  CHECK(mentions(refused("working_directory = \"tmp\""), "begins with '/', found \"tmp\""));
  CHECK(mentions(refused("environment = {A = 1}"), "4: environment.A: expected a string"));
  CHECK(mentions(refused("environment = {\"A=B\" = \"\"}"), "expected a name without '='"));
  CHECK(mentions(refused("environment = \"A=1\""), "expected a table of strings"));
  CHECK(mentions(refused("limits = 5"), "4: limits: expected a table"));
  CHECK(mentions(refused("[server.limits]\nmemory = \"1MiB\""), "5: memory: expected a size from"));
  CHECK(mentions(refused("[server.limits]\nprocesses = 0"), "5: processes: expected a whole"));
  CHECK(mentions(refused("[server.limits]\nnofile = 3"), "from 16 to"));
  CHECK(mentions(refused("[server.limits]\ncpu = 5"), "write \"5s\" for seconds"));
  CHECK(mentions(refused("[server.limits]\ncpu = \"0s\""), "longer than 0"));
  CHECK(mentions(refused("[server.limits]\nmemry = 5"),
                 "5: unknown key 'memry' in [server.limits]; did you mean 'memory'?"));
  CHECK(mentions(refused("sandbox = \"tight\""),
                 "4: sandbox: expected \"none\", \"strict\", or a table, found \"tight\""));
  CHECK(mentions(refused("sandbox = true"), "found true"));
  CHECK(mentions(refused("[server.sandbox]\nnetwork = \"no\""), "expected true or false"));
  CHECK(mentions(refused("[server.sandbox]\nwritable = [\"data\"]"), "begins with '/'"));
  CHECK(mentions(refused("[server.sandbox]\nnetworks = true"), "did you mean 'network'?"));
}

TEST_CASE("parts of a sandbox that contradict each other are refused") {
  CHECK(mentions(refused("[server.sandbox]\nno_new_privileges = false"),
                 "5: no_new_privileges: expected true, for nothing else can be forbidden without"));
  CHECK(mentions(refused("[server.sandbox]\nread_only = false\nwritable = [\"/a\"]"),
                 "6: writable: expected none with read_only = false"));
}

TEST_CASE("what peeperd has no right to is refused with its line, and why") {
  CHECK(mentions(beyond("user = \"root\"", kUser), "4: user: only root may run workers"));
  CHECK(beyond("user = \"root\"", kRoot).empty());
  CHECK(mentions(beyond("nice = -1", kUser), "4: nice: less than 0 takes the capability"));
  CHECK(beyond("nice = 1", kUser).empty());
  CHECK(beyond("nice = -1", kRoot).empty());
  const std::string files = "[server.limits]\nnofile = 1001";
  CHECK(mentions(beyond(files, kUser), "5: nofile: peeperd itself may have no more than 1000"));
  CHECK(beyond(files, kRoot).empty());
  CHECK(beyond("[server.limits]\nnofile = 1000", kUser).empty());
  Rights old_kernel = kRoot;
  old_kernel.landlock_version = 0;
  CHECK(mentions(beyond("sandbox = \"strict\"", old_kernel), "4: sandbox: a read-only file"));
  CHECK(beyond("sandbox = {read_only = false}", old_kernel).empty());
  CHECK(beyond("sandbox = \"strict\"", kUser).empty());
}

TEST_CASE("a number of processes is refused for root, who has no such limit") {
  const std::string lines = "[server.limits]\nprocesses = 5";
  CHECK(mentions(beyond(lines, kRoot), "5: processes: the kernel counts processes for each user"));
  CHECK(mentions(beyond("user = \"root\"\n" + lines, kRoot), "6: processes: "));
  CHECK(beyond("user = \"nobody\"\n" + lines, kRoot).empty());
  CHECK(beyond(lines, kUser).empty());
}

TEST_CASE("a user that isn't there is a mistake in its line") {
  Loaded loaded = server_with("user = \"no such user\"");
  CHECK(told(find_accounts(loaded.config.servers)) ==
        "4: user: this machine has no user \"no such user\"\n");
  loaded = server_with("user = \"4000000000\"");
  CHECK_FALSE(find_accounts(loaded.config.servers).empty());
}

TEST_CASE("a worker's memory is counted without its segment, and its time ends by two signals") {
  ProcessSection process;
  process.limits = Limits{64 * limits::MiB, std::nullopt, 100, 5s};
  daemon::LaunchSpec spec;
  daemon::apply(process, 0, spec);
  REQUIRE(spec.limits.size() == 3);
  CHECK(spec.limits[0].resource == RLIMIT_DATA);
  CHECK(spec.limits[0].hard == 64 * limits::MiB);
  CHECK(spec.limits[1].resource == RLIMIT_NOFILE);
  CHECK(spec.limits[2].resource == RLIMIT_CPU);
  CHECK(spec.limits[2].soft == 5);
  CHECK(spec.limits[2].hard == 6);
}

TEST_CASE("a worker's oom_score_adj is above peeperd's unless it is configured") {
  const auto adjustment = [](std::optional<int> configured, int own) {
    ProcessSection process;
    process.oom_score_adj = configured;
    daemon::LaunchSpec spec;
    daemon::apply(process, own, spec);
    CHECK(spec.insists_on_oom_score_adj == configured.has_value());
    return *spec.oom_score_adj;
  };
  CHECK(adjustment(std::nullopt, 0) == 100);
  CHECK(adjustment(std::nullopt, -900) == 100);
  CHECK(adjustment(std::nullopt, 900) == 900);  // lower it may perhaps not be
  CHECK(adjustment(-5, 900) == -5);
}

TEST_CASE("a worker of another user finds its home, unless another one is configured") {
  ProcessSection process;
  process.account = Account{7, 8, {8, 9}, "ann", "/home/ann"};
  process.environment = {{"HOME", "/srv"}};
  daemon::LaunchSpec spec;
  daemon::apply(process, 0, spec);
  CHECK(spec.environment == std::vector<std::string>{"USER=ann", "LOGNAME=ann", "HOME=/srv"});
  REQUIRE(spec.credentials.has_value());
  CHECK(spec.credentials->user == 7);
  CHECK(spec.credentials->groups == std::vector<gid_t>{8, 9});
}
