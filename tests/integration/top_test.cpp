// `peeper top` on a terminal, as it is used; and `peeper ls`.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <termios.h>

#include <algorithm>
#include <csignal>

#include "instance.hpp"
#include "pty.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

const std::string kConfig =
    counter_config("alone") +
    "\n[[group]]\nname = \"bank\"\n" + counter_config("ledger", "group = \"bank\"\n") +
    counter_config("quiet", "group = \"bank\"\n");

std::vector<std::string> top(const Instance& peeperd) {
  return {program("peeper"), "--socket", peeperd.socket(), "top", "--delay", "100"};
}

constexpr const char* kUp = "\033[A";
constexpr const char* kDown = "\033[B";

}  // namespace

TEST_CASE("ls shows groups as a tree, and what became of calls and crashes") {
  Instance peeperd{kConfig};
  peeperd.start();
  Talk talk = peeperd.talk();
  for (int i = 0; i < 50; ++i) CHECK(talk({"CALL", "ledger", "inc"}) == std::to_string(i + 1));
  CHECK(talk({"CALL", "ledger", "segv"}).starts_with("-CRASHED"));
  CHECK(talk({"CALL", "ledger", "inc"}) == "51");
  const Ran ran = peeperd.peeper({"ls"});
  CHECK(ran.exit_code == 0);
  CAPTURE(ran.out);
  CHECK(ran.out.starts_with("SERVER"));
  CHECK(ran.out.find("\nalone ") != std::string::npos);
  CHECK(ran.out.find("\n[bank] ") != std::string::npos);
  CHECK(ran.out.find("\n  ledger ") != std::string::npos);
  CHECK(ran.out.find("\n  quiet ") != std::string::npos);
  const std::string ledger = line_with(ran.out, "ledger");
  CHECK(ledger.find(" " + std::to_string(peeperd.worker("ledger")) + " ") != std::string::npos);
  CHECK(ledger.find(" " + std::to_string(peeperd.keeper("ledger")) + " ") != std::string::npos);
  CHECK(peeperd.fact("ledger", "crashes") == 1);
  CHECK(peeperd.fact("ledger", "p99_us") > 0);
  CHECK(peeperd.fact("quiet", "p99_us") == 0);
  CHECK(line_with(ran.out, "quiet").ends_with("-"));
  peeperd.stop();
}

TEST_CASE("top draws the servers, follows them, sorts by keys, opens one, and leaves no trace") {
  Instance peeperd{kConfig};
  peeperd.start();
  Pty terminal{top(peeperd), {24, 80}};
  REQUIRE(terminal.await_on_screen("  ledger"));
  CHECK(terminal.all().starts_with("\033[?1049h"));
  CHECK(terminal.screen().find("q quit") != std::string::npos);
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "quiet", "segv"}).starts_with("-CRASHED"));
  // By crashes: the one that crashed is first, and no group is shown.
  terminal.type("x");
  REQUIRE(terminal.await([&](const std::string&) {
    const std::string screen = terminal.screen();
    const std::size_t quiet = screen.find("\nquiet ");
    return quiet != std::string::npos && quiet < screen.find("\nalone ") &&
           screen.find("[bank]") == std::string::npos;
  }));
  // The server that was selected is the one that is opened.
  terminal.type("t");
  REQUIRE(terminal.await_on_screen("[bank]"));
  terminal.type(kDown);
  terminal.type(kDown);
  terminal.type(kUp);
  terminal.type("\r");
  REQUIRE(terminal.await_on_screen("in_message:"));
  CHECK(line_with(terminal.screen(), "server:").ends_with(" ledger"));
  terminal.type("\033");
  REQUIRE(terminal.await_on_screen("[bank]"));
  terminal.resize({6, 40});
  REQUIRE(terminal.await([&](const std::string&) {
    const std::string screen = terminal.screen();
    return !screen.empty() && std::ranges::count(screen, '\n') == 5;
  }));
  terminal.type("q");
  const auto status = terminal.wait();
  REQUIRE(status.has_value());
  CHECK(WIFEXITED(*status));
  CHECK(WEXITSTATUS(*status) == 0);
  CHECK(terminal.all().ends_with("\033[?25h\033[?1049l"));
  peeperd.stop();
}

TEST_CASE("top outlives a peeperd that is killed and comes back, and a signal ends it in order") {
  Instance peeperd{kConfig};
  peeperd.start();
  Pty terminal{top(peeperd), {24, 80}, {{"NO_COLOR", "1"}}};
  REQUIRE(terminal.await_on_screen("alone"));
  CHECK(terminal.all().find("\033[1m") == std::string::npos);
  peeperd.kill_daemon();
  REQUIRE(terminal.await([&](const std::string&) {
    return terminal.screen().find("peeper top") == std::string::npos &&
           terminal.screen().find("alone") != std::string::npos;
  }));
  peeperd.start();
  REQUIRE(terminal.await_on_screen("peeper top"));
  terminal.signal(SIGTERM);
  const auto status = terminal.wait();
  REQUIRE(status.has_value());
  CHECK(WIFEXITED(*status));
  CHECK(terminal.all().ends_with("\033[?25h\033[?1049l"));
  peeperd.stop();
}

TEST_CASE("top without a terminal says what to use instead") {
  Instance peeperd{counter_config()};
  const Ran ran = peeperd.peeper({"top"});
  CHECK(ran.exit_code == 2);
  CHECK(ran.out == "");
  CHECK(ran.err.find("peeper --json ls") != std::string::npos);
}
