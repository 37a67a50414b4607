#include <doctest/doctest.h>

#include <cerrno>
#include <cstdlib>
#include <ctime>
#include <string>
#include <variant>
#include <vector>

#include "cli_parsed.hpp"
#include "common/resp/reply.hpp"
#include "daemon/cli/commands.hpp"
#include "daemon/cli/options.hpp"
#include "daemon/cli/render_json.hpp"
#include "daemon/cli/render_log.hpp"
#include "daemon/cli/render_servers.hpp"
#include "daemon/cli/render_text.hpp"

using namespace peeper::cli;
using peeper::test::parsed;
using peeper::test::wire;
using peeper::test::Words;
using namespace std::chrono_literals;
using peeper::Failure;
using peeper::resp::Reply;

namespace {

Usage refused(const Words& arguments) {
  const auto result = parse_options(arguments);
  REQUIRE(std::holds_alternative<Usage>(result));
  return std::get<Usage>(result);
}

Reply reply(std::string_view bytes) {
  auto read = peeper::resp::read_value(bytes);
  REQUIRE(read.has_value());
  return std::move(read->reply);
}

std::string text(std::string_view bytes, Target target = Target::kPipe) {
  return render_value(reply(bytes), target);
}

std::string json(std::string_view bytes) { return render_json(reply(bytes)); }

std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}

std::string child(const std::string& name, const std::string& worker) {
  return "%7\r\n+server\r\n+" + name + "\r\n+state\r\n+running\r\n+worker\r\n" + worker +
         "+keeper\r\n:4194303\r\n+incarnation\r\n:12\r\n+crashes\r\n:1\r\n+mailbox\r\n:0\r\n";
}

}  // namespace

TEST_SUITE("command line") {
  TEST_CASE("each command becomes one of the daemon's") {
    CHECK(wire({"call", "counter", "add", "5"}) == Words{"CALL", "counter", "add", "5"});
    CHECK(wire({"call", "--timeout", "500", "counter", "get"}) ==
          Words{"CALL", "TIMEOUT", "500", "counter", "get"});
    CHECK(wire({"cast", "counter", "add"}) == Words{"CAST", "counter", "add"});
    CHECK(wire({"send", "counter", "tick"}) == Words{"SEND", "counter", "tick"});
    CHECK(wire({"ls"}) == Words{"SUPERVISOR", "WHICH_CHILDREN"});
    CHECK(wire({"state", "counter"}) == Words{"SYS", "GET_STATE", "counter"});
    CHECK(wire({"state", "bank", "accounts.42"}) ==
          Words{"SYS", "GET_STATE", "bank", "accounts.42"});
    CHECK(wire({"status", "counter"}) == Words{"SYS", "GET_STATUS", "counter"});
    CHECK(wire({"kill", "counter"}) == Words{"SYS", "KILL", "counter"});
    CHECK(wire({"kill", "counter", "keeper", "SIGTERM"}) ==
          Words{"SYS", "KILL", "counter", "keeper", "SIGTERM"});
    CHECK(wire({"ping"}) == Words{"PING"});
    CHECK(wire({"log"}) == Words{"SYS", "OUTPUT", "*", "100"});
    CHECK(wire({"log", "-n", "5", "counter"}) == Words{"SYS", "OUTPUT", "counter", "5"});
    CHECK(wire({"stats", "counter"}) == Words{"SYS", "STATISTICS", "counter"});
    CHECK(wire({"stats", "counter", "on"}) == Words{"SYS", "STATISTICS", "counter", "on"});
    CHECK(wire({"trace", "counter", "off"}) == Words{"SYS", "TRACE", "counter", "off"});
    CHECK(wire({"suspend", "counter"}) == Words{"SYS", "SUSPEND", "counter"});
    CHECK(wire({"resume", "counter"}) == Words{"SYS", "RESUME", "counter"});
    CHECK(wire({"upgrade", "counter", "./new.so"}) ==
          Words{"SYS", "CHANGE_CODE", "counter", "./new.so"});
    CHECK(wire({"upgrade", "--timeout", "250", "counter", "new"}) ==
          Words{"SYS", "CHANGE_CODE", "counter", "new", "TIMEOUT", "250"});
  }

  TEST_CASE("a line of the log is a line, and commands no terminal") {
    ::setenv("TZ", "UTC", 1);
    ::tzset();
    const auto line = [](const std::string& text, const std::string& incarnation,
                         const std::string& dropped) {
      return reply("%6\r\n+time\r\n+2031-05-06T07:08:09.123Z\r\n+server\r\n+s\r\n+incarnation\r\n" +
                   incarnation + "\r\n+stream\r\n+err\r\n+line\r\n" + bulk(text) +
                   "+dropped\r\n:" + dropped + "\r\n");
    };
    CHECK(render_log_line(line("a\x1b\tb", ":3", "0"), Target::kPipe) ==
          "07:08:09.123 s#3 err| a\x1b\tb\n");
    CHECK(render_log_line(line("a\x1b\tb\xff", ":3", "0"), Target::kTerminal) ==
          "07:08:09.123 s#3 err| a\\x1b\\tb\\xff\n");
    CHECK(render_log_line(line("a", "_", "2"), Target::kPipe) ==
          "07:08:09.123 s: 2 lines dropped\n07:08:09.123 s#standby err| a\n");
    // What is no line of the log is shown all the same.
    CHECK(render_log_line(reply("+OK\r\n"), Target::kPipe) == " #standby | \n");
  }

  TEST_CASE("lines of the log that were shown are not shown again, those of a new peeperd are") {
    const auto line = [](const std::string& server, const std::string& time, int number) {
      return reply("%3\r\n+time\r\n+" + time + "\r\n+server\r\n+" + server +
                   "\r\n+number\r\n:" + std::to_string(number) + "\r\n");
    };
    SeenLines seen;
    CHECK(seen.add(line("a", "10", 7)));
    seen.begin();
    CHECK_FALSE(seen.add(line("a", "10", 7)));
    CHECK_FALSE(seen.add(line("a", "09", 6)));
    CHECK(seen.add(line("a", "10", 8)));
    CHECK(seen.add(line("a", "11", 1)));
    CHECK_FALSE(seen.add(line("b", "09", 9)));
    CHECK(seen.add(line("b", "12", 10)));
    CHECK(seen.add(line("b", "13", 1)));
  }

  TEST_CASE("what follows SERVER MESSAGE goes to the server, whatever it looks like") {
    CHECK(wire({"call", "counter", "add", "-5"}) == Words{"CALL", "counter", "add", "-5"});
    CHECK(wire({"cast", "c", "m", "--", "--json", "-s", "", "--help"}) ==
          Words{"CAST", "c", "m", "--", "--json", "-s", "", "--help"});
    CHECK(wire({"call", "--", "c", "m", "--", "x"}) == Words{"CALL", "c", "m", "--", "x"});
    CHECK(wire({"call", "--", "-s", "m", "-s"}) == Words{"CALL", "-s", "m", "-s"});
    const Options options = parsed(
        {"-s", "/a", "--timeout=9", "call", "--json", "c", "--timeout", "3", "m", "--timeout"});
    CHECK(options.words == Words{"c", "m", "--timeout"});
    CHECK(options.json);
    CHECK(options.socket == "/a");
    CHECK(options.wait == 9ms);
    CHECK(options.call_timeout == 3ms);
  }

  TEST_CASE("a server may have the name of a command") {
    CHECK(wire({"state", "ls"}) == Words{"SYS", "GET_STATE", "ls"});
    CHECK(wire({"call", "call", "call"}) == Words{"CALL", "call", "call"});
  }

  TEST_CASE("options may also stand behind a command that sends no message") {
    CHECK(parsed({"ls", "--json"}).json);
    CHECK(parsed({"state", "counter", "--json"}).json);
  }

  TEST_CASE("the socket comes from the option, the environment or its default") {
    ::unsetenv("PEEPER_SOCKET");
    CHECK(parsed({"ping"}).socket == "/run/peeperd/peeperd.sock");
    ::setenv("PEEPER_SOCKET", "/from/environment", 1);
    CHECK(parsed({"ping"}).socket == "/from/environment");
    CHECK(parsed({"-s", "/from/option", "ping"}).socket == "/from/option");
    ::unsetenv("PEEPER_SOCKET");
  }

  TEST_CASE("mistakes are usage errors, help and version are not") {
    for (const Words& arguments :
         {Words{}, Words{"bogus"}, Words{"call", "counter"}, Words{"--bogus", "ping"},
          Words{"--timeout", "0", "ping"}, Words{"state"}, Words{"ping", "x"}, Words{"-s"},
          Words{"trace"}, Words{"trace", "c", "maybe"}, Words{"stats", "c", "maybe"},
          Words{"upgrade", "c"}}) {
      const Usage usage = refused(arguments);
      CHECK(usage.exit_code == kUsage);
      CHECK(usage.text.starts_with("peeper: "));
      CHECK(usage.text.ends_with("see peeper --help\n"));
    }
    CHECK(refused({"--help"}).exit_code == kDone);
    CHECK(refused({"--version"}).text.starts_with("peeper "));
    for (const char* command : {"call", "cast", "send", "ls", "state", "status", "kill", "ping",
                                "stats", "trace", "upgrade"}) {
      CHECK(refused({"--help"}).text.find(command) != std::string::npos);
      CHECK(refused({command, "--help"}).text.find("Example: peeper ") != std::string::npos);
    }
  }

  TEST_CASE("the client waits a second longer than the server may take") {
    CHECK(waiting_time(parsed({"call", "--timeout", "250", "c", "m"})) == 1250ms);
    CHECK(waiting_time(parsed({"call", "c", "m"})) == peeper::limits::kCallTimeout + 1s);
    CHECK(waiting_time(parsed({"upgrade", "--timeout", "250", "c", "p"})) == 3 * 250ms + 1s);
    CHECK(waiting_time(parsed({"--timeout", "70", "call", "--timeout", "250", "c", "m"})) == 70ms);
  }

  TEST_CASE("what may be asked again after a lost connection is, unless that is not wanted") {
    const auto repeats = [](const Words& arguments) {
      return wire_command(parsed(arguments)).is_repeatable();
    };
    CHECK(repeats({"ls"}));
    CHECK(repeats({"state", "counter"}));
    CHECK_FALSE(repeats({"--no-retry", "state", "counter"}));
    CHECK_FALSE(repeats({"kill", "counter"}));
    CHECK(parsed({"call", "c", "m"}).retry);
    CHECK_FALSE(parsed({"--no-retry", "call", "c", "m"}).retry);
    CHECK_FALSE(parsed({"call", "--no-retry", "c", "m"}).retry);
  }

  TEST_CASE("a token may be given, it goes to the daemon, and a wrong one is a usage error") {
    CHECK(wire({"cast", "--id", "t 1", "c", "m", "--id", "x"}) ==
          Words{"CAST", "ID", "t 1", "c", "m", "--id", "x"});
    CHECK(refused({"call", "--id", "", "c", "m"}).exit_code == kUsage);
    CHECK(refused({"call", "--id", std::string(129, 't'), "c", "m"}).exit_code == kUsage);
    CHECK(parsed({"call", "--id", std::string(128, 't'), "c", "m"}).token.size() == 128);
  }

  TEST_CASE("exit codes tell how it went") {
    const Options options = parsed({"call", "counter", "boom"});
    CHECK(output_for(options, reply("+OK\r\n"), {}).exit_code == kDone);
    const Output crashed = output_for(options, reply("-CRASHED counter: SIGSEGV\r\n"), {});
    CHECK(crashed.exit_code == kServerError);
    CHECK(crashed.err == "(error) CRASHED counter: SIGSEGV\n");
    CHECK(crashed.out == "");
    CHECK(output_for(options, reply("-TIMEOUT counter\r\n"), {}).exit_code == kTimedOut);
    CHECK(output_for(options, Failure{"x", ENOENT}, FailedWhen::kConnecting, {}).exit_code ==
          kNoConnection);
    const Output lost = output_for(options, Failure{"x", ECONNRESET}, FailedWhen::kAsking, {});
    CHECK(lost.exit_code == kNoConnection);
    CHECK(lost.err == "peeper: x\n");
    CHECK(output_for(options, Failure{"x", ETIMEDOUT}, FailedWhen::kAsking, {}).exit_code ==
          kTimedOut);
  }

  TEST_CASE("with --json every answer and every failure is one document on stdout") {
    const Options options = parsed({"--json", "call", "counter", "boom"});
    const Output crashed = output_for(options, reply("-CRASHED counter: SIGSEGV\r\n"), {});
    CHECK(crashed.out == "{\"error\":{\"code\":\"CRASHED\",\"message\":\"counter: SIGSEGV\"}}\n");
    CHECK(crashed.err == "");
    CHECK(crashed.exit_code == kServerError);
    CHECK(output_for(options, Failure{"x", ENOENT}, FailedWhen::kConnecting, {}).out ==
          "{\"error\":{\"code\":\"CONNECT\",\"message\":\"x\"}}\n");
  }

  TEST_CASE("scalars are printed plainly") {
    CHECK(text("+OK\r\n") == "OK\n");
    CHECK(text(":-5\r\n") == "-5\n");
    CHECK(text("_\r\n") == "(nil)\n");
    CHECK(text("#t\r\n") == "true\n");
    CHECK(text(",2.5\r\n") == "2.5\n");
    CHECK(text("(123456789012345678901\r\n") == "123456789012345678901\n");
    CHECK(text("$0\r\n\r\n") == "\n");
    CHECK(text("=7\r\ntxt:abc\r\n") == "abc\n");
    CHECK(text("*0\r\n") == "(empty array)\n");
    CHECK(text("%0\r\n") == "(empty map)\n");
  }

  TEST_CASE("containers are printed as an indented tree") {
    CHECK(text("*2\r\n:1\r\n*2\r\n:2\r\n*1\r\n_\r\n") == "- 1\n- - 2\n  - - (nil)\n");
    CHECK(text("%2\r\n+name\r\n+counter\r\n+list\r\n*2\r\n:1\r\n%2\r\n+a\r\n:1\r\n+b\r\n*0\r\n") ==
          "name: counter\n"
          "list:\n"
          "  - 1\n"
          "  - a: 1\n"
          "    b: (empty array)\n");
    CHECK(text("*2\r\n$0\r\n\r\n-ERR x\r\n") == "- \"\"\n- (error) ERR x\n");
  }

  TEST_CASE("a status has its values in one column, nested maps too") {
    CHECK(render_fields(reply("%3\r\n+a\r\n:1\r\n+longer\r\n:2\r\n+in\r\n%2\r\n+x\r\n:3\r\n+yy"
                              "\r\n:4\r\n"),
                        Target::kPipe) ==
          "a:      1\n"
          "longer: 2\n"
          "in:\n"
          "  x:  3\n"
          "  yy: 4\n");
  }

  TEST_CASE("a lone text goes into a pipe as it is, and to a terminal without commands to it") {
    const std::string bytes = bulk("a\x1b[2J\xff\xc2\x9b\xe2\x80\xae \xc3\xa4\n\tb");
    CHECK(text(bytes) == "a\x1b[2J\xff\xc2\x9b\xe2\x80\xae \xc3\xa4\n\tb\n");
    CHECK(text(bytes, Target::kTerminal) == "a\\x1b[2J\\xff\\x9b\\u{202e} \xc3\xa4\n\tb\n");
    CHECK(render_error("ERR \x1b[m", Target::kTerminal) == "(error) ERR \\x1b[m\n");
  }

  TEST_CASE("in a tree a text cannot pass for other entries") {
    CHECK(text("*1\r\n" + bulk("a\n- b")) == "- a\\n- b\n");
    CHECK(text("%1\r\n" + bulk("k\n") + bulk("v\r")) == "k\\n: v\\r\n");
  }

  TEST_CASE("servers are listed in a table") {
    const Reply children = reply("*2\r\n" + child("counter", ":123\r\n") + child("b", "_\r\n"));
    CHECK(render_servers(children, Target::kPipe) ==
          "SERVER   STATE     KEEPER  WORKER  STANDBY  UP  INC  CRASHES  MAIL  CALLS/S  P99\n"
          "counter  running  4194303     123        -  0s   12        1     0        0    -\n"
          "b        running  4194303       -        -   -   12        1     0        0    -\n");
  }

  TEST_CASE("the table fits a terminal: long names are cut there, and only there") {
    const std::string name = std::string(63, 'n') + "m";
    const Reply children = reply("*1\r\n" + child(name, ":4194302\r\n"));
    const std::string shown = render_servers(children, Target::kTerminal);
    CHECK(shown.find('\n') <= 80);
    CHECK(shown.size() == 2 * (shown.find('\n') + 1));
    CHECK(shown.find("nnn~") != std::string::npos);
    CHECK(render_servers(children, Target::kPipe).find(name) != std::string::npos);
  }

  TEST_CASE("a listing of an unknown shape is printed as a value") {
    CHECK(render_servers(reply("*1\r\n:1\r\n"), Target::kPipe) == "- 1\n");
    const std::string nameless = render_servers(reply("*1\r\n%0\r\n"), Target::kPipe);
    CHECK(nameless.find("\n-  ") != std::string::npos);
  }

  TEST_CASE("each type has its JSON") {
    CHECK(json("+OK\r\n") == "\"OK\"");
    CHECK(json(":9223372036854775807\r\n") == "9223372036854775807");
    CHECK(json("(18446744073709551615\r\n") == "18446744073709551615");
    CHECK(json("(18446744073709551616\r\n") == "\"18446744073709551616\"");
    CHECK(json("_\r\n") == "null");
    CHECK(json("#f\r\n") == "false");
    CHECK(json(",2.5\r\n") == "2.5E0");
    CHECK(json(",inf\r\n") == "\"inf\"");
    CHECK(json(",nan\r\n") == "\"nan\"");
    CHECK(json("*2\r\n:1\r\n~1\r\n+a\r\n") == "[1,[\"a\"]]");
    CHECK(json("%2\r\n+b\r\n:1\r\n+a\r\n%0\r\n") == "{\"b\":1,\"a\":{}}");
    CHECK(json("*1\r\n-BUSY x y\r\n") == "[{\"error\":{\"code\":\"BUSY\",\"message\":\"x y\"}}]");
  }

  TEST_CASE("a map whose keys JSON cannot keep apart is an array of pairs") {
    CHECK(json("%1\r\n:1\r\n:2\r\n") == "[[1,2]]");
    CHECK(json("%2\r\n" + bulk("\xff") + ":1\r\n" + bulk("\xfe") + ":2\r\n") ==
          "[[\"\uFFFD\",1],[\"\uFFFD\",2]]");
  }

  TEST_CASE("bytes that are no UTF-8 still give valid JSON") {
    CHECK(json(bulk("a\xff\xc3\xa4")) == "\"a\uFFFD\xc3\xa4\"");
    CHECK(json(bulk("\xc0\x80")) == "\"\uFFFD\uFFFD\"");
    CHECK(json(bulk("\xe2\x82")) == "\"\uFFFD\uFFFD\"");
    CHECK(json(bulk("\xed\xa0\x80")) == "\"\uFFFD\uFFFD\uFFFD\"");
    CHECK(json(bulk("\xf4\x90\x80\x80")) == "\"\uFFFD\uFFFD\uFFFD\uFFFD\"");
    CHECK(json(bulk("\xf0\x9f\x98\x80")) == "\"\xf0\x9f\x98\x80\"");
    CHECK(json(bulk(std::string_view("\0\x1b\"", 3))) == "\"\\u0000\\u001b\\\"\"");
  }

  TEST_CASE("an error without a code counts as ERR") {
    CHECK(error_parts("CRASHED a b").code == "CRASHED");
    CHECK(error_parts("CRASHED a b").message == "a b");
    CHECK(error_parts("DOWN").code == "DOWN");
    CHECK(error_parts("DOWN").message == "");
    CHECK(error_parts("something else").code == "ERR");
    CHECK(error_parts("something else").message == "something else");
    CHECK(error_parts("").code == "ERR");
  }
}
