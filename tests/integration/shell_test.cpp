// `peeper shell`, at a terminal and with lines from a pipe.
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <chrono>
#include <fstream>

#include "instance.hpp"
#include "pty.hpp"

using namespace peeper;
using namespace peeper::test;

TEST_CASE("shell completes commands and servers, keeps a history, and ends with its last exit code") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const std::string history = (peeperd.directory() / "history").string();
  Pty terminal{{program("peeper"), "--socket", peeperd.socket(), "shell"},
               {24, 80},
               {{"PEEPER_HISTORY", history}}};
  const auto await = [&](std::string_view text) {
    return terminal.await([&](const std::string& all) { return all.find(text) != all.npos; });
  };
  REQUIRE(await("peeper> "));
  terminal.type("cal\tcou\tadd 41\r");
  REQUIRE(await("\n41\r\n"));
  terminal.type("call counter add 1\r");
  REQUIRE(await("\n42\r\n"));
  terminal.type("\033[A\r");  // the line before, once more
  REQUIRE(await("\n43\r\n"));
  terminal.type("call counter segv\r");
  REQUIRE(await("(error) CRASHED counter"));
  // Ctrl-C ends what goes on by itself, and leaves the shell.
  terminal.type("watch counter\r");
  REQUIRE(await("count: 43"));
  terminal.type("\003");
  terminal.type("call counter add 57\r");
  REQUIRE(await("\n100\r\n"));
  terminal.type("state 'counter\r");
  REQUIRE(await("the quote ' is not closed"));
  terminal.type("call counter nonsense\r");
  REQUIRE(await("(error) BADARG"));
  terminal.type("exit\r");
  const auto status = terminal.wait();
  REQUIRE(status.has_value());
  CHECK(WIFEXITED(*status));
  CHECK(WEXITSTATUS(*status) == 1);
  struct stat facts {};
  REQUIRE(::stat(history.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  std::ifstream file{history};
  const std::string kept{std::istreambuf_iterator<char>{file}, {}};
  CHECK(kept.find("call") != kept.npos);
  peeperd.stop();
}

TEST_CASE("shell with lines from a pipe prints what they print, and no prompt") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const auto shell = [&](const std::string& lines) {
    return run({{program("peeper"), "--socket", peeperd.socket(), "--json", "shell"}, {}, "", ""},
               lines);
  };
  Ran ran = shell("call counter inc\n# nothing\n\ncall counter \"inc\"\nls extra\ncall counter inc\n");
  CHECK(ran.out == "1\n2\n3\n");
  CHECK(ran.err.find("extra") != std::string::npos);
  CHECK(ran.exit_code == 0);
  ran = shell("call counter inc\nexit\ncall counter inc\n");
  CHECK(ran.out == "4\n");
  ran = shell("call nobody inc\n");
  CHECK(ran.exit_code == 1);
  ran = shell("help call\nshell\n");
  CHECK(ran.out.find("Usage") != std::string::npos);
  CHECK(ran.exit_code == 2);
  peeperd.stop();
}

TEST_CASE("shell completes the messages that a behaviour lists, by kind, and waits long for none") {
  Instance peeperd{counter_config() + "[[server]]\nname = \"slow\"\nbehaviour = \"slow\"\n"};
  peeperd.start();
  Pty terminal{{program("peeper"), "--socket", peeperd.socket(), "shell"},
               {24, 80},
               {{"PEEPER_HISTORY", (peeperd.directory() / "history").string()}}};
  const auto await = [&](std::string_view text) {
    return terminal.await([&](const std::string& all) { return all.find(text) != all.npos; });
  };
  // On a loaded machine the first list may come too late to be shown; then it is known.
  REQUIRE(peeperd.talk()({"SYS", "MESSAGES", "counter"}).front() == '[');
  REQUIRE(await("peeper> "));
  terminal.type("call counter ad\t40\r");
  REQUIRE(await("\n40\r\n"));
  terminal.type("cast counter a\t2\r");
  REQUIRE(await("\nOK\r\n"));
  terminal.type("call counter st\t\r");
  REQUIRE(await("\n42\r\n"));
  terminal.type("call counter inc_\t\r");
  REQUIRE(await("(error) CRASHED counter"));
  terminal.type("call slow c\tount\r");  // it lists none
  REQUIRE(await("\n0\r\n"));
  terminal.type("messages cou\t\r");
  REQUIRE(await("call  add NUMBER     adds it, and replies the sum\r\n"));
  terminal.type("replace-state cou\t-7\r");
  terminal.type("call counter st\t\r");
  REQUIRE(await("\n-7\r\n"));
  peeperd.daemon().signal(SIGSTOP);
  const auto begin = std::chrono::steady_clock::now();
  terminal.type("call unheard_of \t\025help replace-state\r");
  REQUIRE(await("replace-state [OPTIONS] SERVER VALUE"));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{10});
  peeperd.daemon().signal(SIGCONT);
  terminal.type("exit\r");
  REQUIRE(terminal.wait().has_value());
  peeperd.stop();
}
