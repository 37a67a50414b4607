#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "common/limits.hpp"
#include "daemon/config/load.hpp"

using namespace peeper;
using namespace peeper::config;
using namespace std::chrono_literals;

namespace {

// One per line, "line: text", to compare and to read in a failed check.
std::string told(const Loaded& loaded) {
  std::string text;
  for (const Mistake& mistake : loaded.mistakes) {
    text += std::to_string(mistake.line) + ": " + mistake.text + "\n";
  }
  return text;
}

// A configuration of one server with these lines in it; the first of them is line 4.
Loaded server_with(const std::string& lines) {
  return parse("[[server]]\nname = \"counter\"\nbehaviour = \"counter\"\n" + lines, "c.toml");
}

ServerSection good_server(const std::string& lines) {
  const Loaded loaded = server_with(lines);
  REQUIRE_MESSAGE(loaded.mistakes.empty(), told(loaded));
  REQUIRE(loaded.config.servers.size() == 1);
  return loaded.config.servers.front();
}

DaemonSection good_daemon(const std::string& lines) {
  const Loaded loaded = parse("[daemon]\n" + lines, "c.toml");
  REQUIRE_MESSAGE(loaded.mistakes.empty(), told(loaded));
  return loaded.config.daemon;
}

// The one mistake these lines of a server make, which stands in line 4.
std::string refused(const std::string& lines) {
  const Loaded loaded = server_with(lines);
  REQUIRE_MESSAGE(loaded.mistakes.size() == 1, told(loaded));
  CHECK(loaded.mistakes.front().line == 4);
  return loaded.mistakes.front().text;
}

std::string refused_in_daemon(const std::string& line) {
  const Loaded loaded = parse("[daemon]\n" + line, "c.toml");
  REQUIRE_MESSAGE(loaded.mistakes.size() == 1, told(loaded));
  CHECK(loaded.mistakes.front().line == 2);
  return loaded.mistakes.front().text;
}

bool mentions(const std::string& text, std::string_view part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("\"" << text << "\" lacks \"" << part << "\"");
  return found;
}

}  // namespace

TEST_CASE("an empty file is a configuration of no servers with all defaults") {
  for (const char* text : {"", "\n", "# nothing\n", "server = []\n", "[daemon]\n"}) {
    const Loaded loaded = parse(text, "c.toml");
    CHECK(loaded.mistakes.empty());
    CHECK(loaded.config.servers.empty());
    CHECK(loaded.config.file == "c.toml");
    CHECK(loaded.config.daemon.socket == "/run/peeperd/peeperd.sock");
    CHECK(loaded.config.daemon.socket_mode == 0600);
    CHECK(loaded.config.daemon.instance == "default");
    CHECK(loaded.config.daemon.log_level == LogLevel::kInfo);
    CHECK(loaded.config.daemon.max_restarts == 3);
    CHECK(loaded.config.daemon.max_seconds == 5s);
  }
}

TEST_CASE("a server needs only its name and behaviour") {
  const ServerSection server = good_server("");
  CHECK(server.name == "counter");
  CHECK(server.behaviour == "counter");
  CHECK(server.state == InitArguments{});
  CHECK(server.state_bytes == 64 * limits::MiB);
  CHECK(server.restart == Restart::kPermanent);
  CHECK(server.strategy == Strategy::kOneForOne);
  CHECK(server.max_restarts == 3);
  CHECK(server.max_seconds == 5s);
  CHECK(server.auto_shutdown == AutoShutdown::kNever);
  CHECK(server.retry_delay == RetryDelay{1s, 300s});
  CHECK(server.when_down == WhenDown::kReject);
  CHECK(server.late_calls == LateCalls::kRun);
  CHECK_FALSE(server.significant);
  CHECK(server.group.empty());
  CHECK(server.shutdown == Shutdown{Shutdown::Kind::kTimeout, 5s});
  CHECK(server.standby == 1);
  CHECK(server.on_crash == OnCrash::kDrop);
  CHECK(server.callback_timeout == 5s);
  CHECK_FALSE(server.init_timeout.has_value());
  CHECK_FALSE(server.hibernate_after.has_value());
  CHECK(server.dedupe_window == 10'000);
  CHECK(server.mailbox_bytes == 4 * limits::MiB);
  CHECK(server.overflow == Overflow::kBlock);
  CHECK(server.busy_poll == BusyPollLimits{.ns = 50'000, .adapts = true});
  CHECK(server.core_dump == CoreDump::kWithoutState);
  CHECK(server.listener.empty());
  CHECK(server.listener_timeout == 10s);
  CHECK(server.debug.empty());
  CHECK(server.behaviour_place.line == 3);
}

TEST_CASE("every key of the daemon is read") {
  CHECK(good_daemon("socket = \"run/p.sock\"").socket == "run/p.sock");
  CHECK(good_daemon("socket_mode = \"0660\"").socket_mode == 0660);
  CHECK(good_daemon("instance = \"demo\"").instance == "demo");
  CHECK(good_daemon("log_level = \"warning\"").log_level == LogLevel::kWarning);
  CHECK(good_daemon("log_format = \"json\"").log_format == LogFormat::kJson);
  CHECK(good_daemon("").log_to == LogTo{});
  CHECK(good_daemon("log_to = \"syslog\"").log_to.kind == LogTo::Kind::kSyslog);
  CHECK(good_daemon("log_to = \"/var/log/p.log\"").log_to ==
        LogTo{LogTo::Kind::kFile, "/var/log/p.log"});
  CHECK(good_daemon("log_max_size = \"1MiB\"").log_max_bytes == limits::MiB);
  CHECK(good_daemon("log_files = 0").log_files == 0);
  CHECK(good_daemon("strategy = \"rest_for_one\"").strategy == Strategy::kRestForOne);
  CHECK(good_daemon("auto_shutdown = \"any_significant\"").auto_shutdown ==
        AutoShutdown::kAnySignificant);
  CHECK(good_daemon("max_restarts = 3").max_restarts == 3);
  CHECK(good_daemon("max_seconds = 5").max_seconds == 5s);
}

TEST_CASE("every key of a server is read") {
  CHECK(good_server("strategy = \"one_for_all\"").strategy == Strategy::kOneForAll);
  CHECK(good_server("auto_shutdown = \"all_significant\"").auto_shutdown ==
        AutoShutdown::kAllSignificant);
  CHECK(good_server("retry_delay = \"2s..1m\"").retry_delay == RetryDelay{2s, 60s});
  CHECK(good_server("retry_delay = \"2s\"").retry_delay == RetryDelay{2s, 2s});
  CHECK_FALSE(good_server("retry_delay = \"never\"").retry_delay.first.has_value());
  CHECK(good_server("on_crash_loop = [\"init\", \"down\"]").on_crash_loop ==
        std::vector{LoopStep::kInit, LoopStep::kDown});
  CHECK(mentions(refused("on_crash_loop = [\"down\", \"init\"]"), "expected steps in the order"));
  CHECK(mentions(refused("on_crash_loop = [\"drop\"]"), "of which only \"down\" must be there"));
  CHECK(good_server("when_down = \"queue\"").when_down == WhenDown::kQueue);
  CHECK(good_server("late_calls = \"skip\"").late_calls == LateCalls::kSkip);
  CHECK(good_server("state = \"7\"").state == InitArguments{false, {"7"}});
  CHECK(good_server("state = {b = \"2\", a = \"1\"}").state ==
        InitArguments{true, {"a", "1", "b", "2"}});
  CHECK(good_server("state = {}").state == InitArguments{true, {}});
  CHECK(good_server("[server.state]\na = \"1\"").state == InitArguments{true, {"a", "1"}});
  CHECK(good_server("state_size = \"1GiB\"").state_bytes == limits::GiB);
  CHECK(good_server("restart = \"transient\"").restart == Restart::kTransient);
  CHECK(good_server("restart = \"temporary\"").restart == Restart::kTemporary);
  CHECK(good_server("max_restarts = 1000000").max_restarts == 1'000'000);
  CHECK(good_server("max_seconds = 1").max_seconds == 1s);
  CHECK(good_server("shutdown = \"2m\"").shutdown == Shutdown{Shutdown::Kind::kTimeout, 2min});
  CHECK(good_server("shutdown = \"brutal_kill\"").shutdown.kind == Shutdown::Kind::kBrutalKill);
  CHECK(good_server("shutdown = \"infinity\"").shutdown.kind == Shutdown::Kind::kInfinity);
  CHECK(good_server("init_timeout = \"500ms\"").init_timeout == 500ms);
  CHECK(good_server("hibernate_after = \"1m\"").hibernate_after == 1min);
  CHECK(good_server("hibernate_after = \"0s\"").hibernate_after == 0ms);
  CHECK(good_server("busy_poll = \"off\"").busy_poll.ns == 0);
  CHECK(good_server("busy_poll = \"80us\"").busy_poll ==
        BusyPollLimits{.ns = 80'000, .adapts = false});
  CHECK(good_server("dedupe_window = 0").dedupe_window == 0);
  CHECK(good_server("dedupe_window = 1000000").dedupe_window == 1'000'000);
  CHECK(good_server("mailbox = 131072").mailbox_bytes == 128 * limits::KiB);
  CHECK(good_server("overflow = \"reject\"").overflow == Overflow::kReject);
  CHECK(good_server("core_dump = \"with_state\"").core_dump == CoreDump::kWithState);
  CHECK(good_server("core_dump = \"without_state\"").core_dump == CoreDump::kWithoutState);
  CHECK(good_server("listener = []").listener.empty());
  CHECK(good_server("listener = [\"log\", \"statsd\", \"statsd:[::1]:9\", \"exec:./a b\", "
                    "\"../x.so\"]")
            .listener == std::vector<std::string>{"log", "statsd:127.0.0.1:8125", "statsd:[::1]:9",
                                                  "exec:./a b", "../x.so"});
  CHECK(good_server("listener_timeout = \"2m\"").listener_timeout == 2min);
  CHECK_FALSE(good_server("listener_timeout = \"infinity\"").listener_timeout.has_value());
  CHECK(good_server("debug = [\"trace\", \"log\", \"statistics\", \"log\"]").debug ==
        std::vector{DebugOption::kTrace, DebugOption::kLog, DebugOption::kStatistics});
}

TEST_CASE("sizes become whole pages") {
  CHECK(good_server("state_size = 65537").state_bytes == 68 * limits::KiB);
  CHECK(good_server("mailbox = \"100000\"").mailbox_bytes == 100 * limits::KiB);
}

TEST_CASE("five mistakes in one file are all reported, each with its line") {
  const Loaded loaded = parse(
      "[daemon]\n"
      "socket_mode = 600\n"
      "\n"
      "[[server]]\n"
      "name = \"counter\"\n"
      "behaviour = \"counter\"\n"
      "max_restart = 3\n"
      "shutdown = 5\n"
      "state_size = \"64MB\"\n"
      "\n"
      "[[server]]\n"
      "name = \"counter\"\n"
      "behaviour = \"other\"\n",
      "conf/counter.toml");
  REQUIRE_MESSAGE(loaded.mistakes.size() == 5, told(loaded));
  CHECK(describe(loaded.config.file, loaded.mistakes[0]) ==
        "conf/counter.toml:2:15: socket_mode: expected a string, found the integer 600");
  CHECK(describe(loaded.config.file, loaded.mistakes[1]) ==
        "conf/counter.toml:7:1: unknown key 'max_restart' in [[server]]; did you mean "
        "'max_restarts'?");
  CHECK(loaded.mistakes[2].line == 8);
  CHECK(mentions(loaded.mistakes[2].text, "write \"5s\""));
  CHECK(loaded.mistakes[3].line == 9);
  CHECK(loaded.mistakes[3].column == 14);
  CHECK(mentions(loaded.mistakes[3].text, "write \"64MiB\""));
  CHECK(describe(loaded.config.file, loaded.mistakes[4]) ==
        "conf/counter.toml:12:8: name: \"counter\" is already used at line 5");
}

TEST_CASE("the server that connections use must be one of the file's") {
  const std::string servers = "[[server]]\nname = \"kv\"\nbehaviour = \"kv\"\n";
  const Loaded good = parse("[daemon]\nuse = \"kv\"\n" + servers, "a.toml");
  CHECK(good.mistakes.empty());
  CHECK(good.config.daemon.use == "kv");
  const Loaded bad = parse("[daemon]\nuse = \"vk\"\n" + servers, "a.toml");
  REQUIRE(bad.mistakes.size() == 1);
  CHECK(describe("a.toml", bad.mistakes[0]) ==
        "a.toml:2:7: use: expected the name of a [[server]] in this file, found \"vk\"");
}

TEST_CASE("a value of the wrong type is refused with the type that was expected") {
  CHECK(mentions(refused("state = 0"), "expected a string, or a table of strings"));
  CHECK(mentions(refused("state = {a = 1}"), "state.a: expected a string, found the integer 1"));
  CHECK(mentions(refused("state_size = true"), "expected a size"));
  CHECK(mentions(refused("restart = 1"), "\"permanent\", \"transient\" or \"temporary\""));
  CHECK(mentions(refused("max_restarts = \"3\""), "expected a whole number"));
  CHECK(mentions(refused("max_restarts = 3.0"), "a number with a fraction"));
  CHECK(mentions(refused("shutdown = []"), "expected a string, found an array"));
  CHECK(mentions(refused("listener = \"log\""), "expected an array of strings"));
  CHECK(mentions(refused("listener = [1]"), "expected a string"));
  CHECK(mentions(refused("init_timeout = 2024-01-01"), "a date or time"));
  CHECK(mentions(refused_in_daemon("socket = {}"), "found a table"));
}

TEST_CASE("a value out of its range is refused with the range") {
  CHECK(mentions(refused("max_restarts = -1"), "from 0 to 1000000, found the integer -1"));
  CHECK(mentions(refused("max_restarts = 9223372036854775807"), "from 0 to 1000000"));
  CHECK(mentions(refused("max_seconds = 0"), "from 1 to"));
  CHECK(mentions(refused("state_size = \"4KiB\""), "from 64KiB to 1TiB"));
  CHECK(mentions(refused("state_size = \"2TiB\""), "from 64KiB to 1TiB"));
  CHECK(mentions(refused("state_size = -1"), "found the integer -1"));
  CHECK(mentions(refused("dedupe_window = 1000001"), "from 0 to 1000000"));
  CHECK(mentions(refused("dedupe_window = -1"), "from 0 to 1000000"));
  CHECK(mentions(refused("mailbox = \"2GiB\""), "from 64KiB to 1GiB"));
  CHECK(mentions(refused("init_timeout = \"0s\""), "longer than 0"));
  CHECK(mentions(refused("standby = 9"), "from 0 to 8"));
  CHECK(mentions(refused("state = \"" + std::string(100'000, 'x') + "\""), "at most 64KiB"));
  CHECK(mentions(refused("state = \"a\\u0000b\""), "zero bytes"));
}

TEST_CASE("a word that isn't one of a key's words is refused with all of them") {
  CHECK(refused("overflow = \"drop\"") ==
        "overflow: expected \"block\" or \"reject\", found \"drop\"");
  CHECK(refused("core_dump = \"yes\"") ==
        "core_dump: expected \"without_state\" or \"with_state\", found \"yes\"");
  CHECK(mentions(refused("restart = \"\""), "found \"\""));
  CHECK(refused("debug = [\"trace\", \"all\"]") ==
        "debug: expected \"trace\", \"log\" or \"statistics\", found \"all\"");
  CHECK(mentions(refused("debug = \"trace\""), "an array of \"trace\", \"log\" or"));
  CHECK(mentions(refused("debug = [1]"), "found the integer 1"));
  CHECK(mentions(refused_in_daemon("log_level = \"loud\""), "\"trace\", \"debug\""));
  CHECK(refused_in_daemon("log_format = \"xml\"") ==
        "log_format: expected \"text\" or \"json\", found \"xml\"");
  for (const char* wrong : {"stdout", "peeperd.log", "/var/log/"})
    CHECK(mentions(refused_in_daemon("log_to = \"" + std::string(wrong) + "\""),
                   "expected \"stderr\", \"syslog\", or the absolute path of a file, found"));
  CHECK(mentions(refused_in_daemon("log_to = 1"), "log_to: expected a string"));
  CHECK(mentions(refused_in_daemon("log_max_size = \"1KiB\""), "from 4KiB to 1TiB"));
  CHECK(mentions(refused_in_daemon("log_files = -1"), "from 0 to 1000"));
}

TEST_CASE("listeners that can't be are refused") {
  for (const char* wrong : {"", "exec:", "statsd:", "statsd:8125", "statsd::8125", "statsd:host",
                            "statsd:host:0", "statsd:host:65536", "statsd:host:1x"}) {
    CAPTURE(wrong);
    CHECK(mentions(refused("listener = [\"" + std::string(wrong) + "\"]"),
                   "listener: expected \"log\", \"exec:PROGRAM\""));
  }
  std::string many;
  for (int i = 0; i < 17; ++i) many += "\"log\",";
  CHECK(refused("listener = [" + many + "]") == "listener: expected at most 16, found 17");
  CHECK(mentions(refused("listener_timeout = \"0s\""), "listener_timeout: expected"));
  CHECK(mentions(refused("listener_timeout = 5"), "write \"5s\" for seconds"));
}

TEST_CASE("a missing key is reported at its section") {
  const Loaded loaded = parse("\n[[server]]\nstate = \"0\"\n", "c.toml");
  CHECK(told(loaded) ==
        "2: key 'name' is missing in [[server]]\n2: key 'behaviour' is missing in [[server]]\n");
}

TEST_CASE("an unknown key is reported where it stands, with a suggestion only if one is near") {
  CHECK(mentions(refused("on_crahs = \"drop\""), "did you mean 'on_crash'?"));
  CHECK(refused("colour = 1") == "unknown key 'colour' in [[server]]");
  CHECK(mentions(refused_in_daemon("sockets = 1"), "in [daemon]; did you mean 'socket'?"));
  CHECK(told(parse("\n[[servers]]\nname = \"a\"\n", "c.toml")) ==
        "2: unknown key 'servers' in the file; did you mean 'server'?\n");
  CHECK(told(parse("log_to = \"stderr\"\n[[server]]\nname = \"a\"\nbehaviour = \"a\"\n",
                   "c.toml")) ==
        "1: unknown key 'log_to' in the file; it belongs under [daemon]\n");
}

TEST_CASE("sections in the wrong brackets are refused") {
  CHECK(mentions(told(parse("[server]\nname = \"a\"\n", "c.toml")), "[[server]] in two brackets"));
  CHECK(mentions(told(parse("[[daemon]]\n", "c.toml")), "[daemon] in one bracket"));
  CHECK(mentions(told(parse("server = [1]\n", "c.toml")), "expected a table"));
  CHECK(mentions(told(parse("daemon = 1\n", "c.toml")), "found the integer 1"));
}

TEST_CASE("text that isn't TOML is one mistake with its line") {
  const Loaded loaded = parse("[daemon]\ninstance = \"a\n\nx = = 1\n", "c.toml");
  REQUIRE(loaded.mistakes.size() == 1);
  CHECK(loaded.mistakes[0].line >= 2);
  CHECK(parse("a = 1\na = 2\n", "c.toml").mistakes.size() == 1);
}

TEST_CASE("a file too long or with keys too deep is refused before it is parsed") {
  CHECK(mentions(told(parse(std::string(kMostFileBytes + 1, '\n'), "c.toml")), "at most 1MiB"));
  std::string deep;
  while (deep.size() < 500'000) deep += "a.";
  CHECK(mentions(told(parse("\n" + deep + "a = 1", "c.toml")), "2: expected a key of few parts"));
}

TEST_CASE("nesting up to what the guards let through is no danger") {
  std::string text = "x = ";
  for (int i = 0; i < 250; ++i) text += "{a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q = ";
  text += "1" + std::string(250, '}');
  CHECK_FALSE(parse(text, "c.toml").mistakes.empty());
  text = "x = " + std::string(100'000, '[');
  CHECK_FALSE(parse(text, "c.toml").mistakes.empty());
}

TEST_CASE("more servers than allowed are refused") {
  std::string text;
  for (std::size_t i = 0; i <= kMostServers; ++i) text += "[[server]]\n";
  const Loaded loaded = parse(text, "c.toml");
  REQUIRE(loaded.mistakes.size() == 1);
  CHECK(mentions(loaded.mistakes[0].text, "at most 1000 servers, found 1001"));
}
