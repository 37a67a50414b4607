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

namespace {

// `peeper shell` of that instance, at a terminal.
struct Shell {
  explicit Shell(const Instance& peeperd)
      : history((peeperd.directory() / "history").string()),
        terminal({program("peeper"), "--socket", peeperd.socket(), "shell"}, {24, 80},
                 {{"PEEPER_HISTORY", history}}) {
    REQUIRE(await("peeper> "));
  }
  [[nodiscard]] bool await(std::string_view text) {
    return terminal.await([&](const std::string& all) { return all.find(text) != all.npos; });
  }
  void type(std::string_view keys) { terminal.type(keys); }
  // Its exit code.
  [[nodiscard]] int leave() {
    type("exit\r");
    const auto status = terminal.wait();
    REQUIRE(status.has_value());
    REQUIRE(WIFEXITED(*status));
    return WEXITSTATUS(*status);
  }

  std::string history;
  Pty terminal;
};

}  // namespace

TEST_CASE("shell completes commands and servers, keeps a history, and ends with its last exit code") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Shell shell{peeperd};
  shell.type("cal\tcou\tadd 41\r");
  REQUIRE(shell.await("\n41\r\n"));
  shell.type("call counter add 1\r");
  REQUIRE(shell.await("\n42\r\n"));
  shell.type("\033[A\r");  // the line before, once more
  REQUIRE(shell.await("\n43\r\n"));
  shell.type("call counter segv\r");
  REQUIRE(shell.await("(error) CRASHED counter"));
  // Ctrl-C ends what goes on by itself, and leaves the shell.
  shell.type("watch counter\r");
  REQUIRE(shell.await("count: 43"));
  shell.type("\003");
  shell.type("call counter add 57\r");
  REQUIRE(shell.await("\n100\r\n"));
  shell.type("state 'counter\r");
  REQUIRE(shell.await("the quote ' is not closed"));
  shell.type("call counter nonsense\r");
  REQUIRE(shell.await("(error) BADARG"));
  CHECK(shell.leave() == 1);
  struct stat facts {};
  REQUIRE(::stat(shell.history.c_str(), &facts) == 0);
  CHECK((facts.st_mode & 0777) == 0600);
  std::ifstream file{shell.history};
  const std::string kept{std::istreambuf_iterator<char>{file}, {}};
  CHECK(kept.find("call") != kept.npos);
  peeperd.stop();
}

TEST_CASE("shell: the next one begins with the history of the one before") {
  Instance peeperd{counter_config()};
  peeperd.start();
  const auto type = [&](std::string_view keys, std::string_view wanted) {
    Shell shell{peeperd};
    shell.type(keys);
    REQUIRE(shell.await(wanted));
    CHECK(shell.leave() == 0);
  };
  type("call counter add 41\r", "\n41\r\n");
  type("\033[A\033[A\r", "\n82\r\n");  // behind "exit"
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
  // On a loaded machine the first list may come too late to be shown; then it is known.
  REQUIRE(peeperd.talk()({"SYS", "MESSAGES", "counter"}).front() == '[');
  Shell shell{peeperd};
  shell.type("call counter ad\t40\r");
  REQUIRE(shell.await("\n40\r\n"));
  shell.type("cast counter a\t2\r");
  REQUIRE(shell.await("\nOK\r\n"));
  shell.type("call counter st\t\r");
  REQUIRE(shell.await("\n42\r\n"));
  shell.type("call counter inc_\t\r");
  REQUIRE(shell.await("(error) CRASHED counter"));
  shell.type("call slow c\tount\r");  // it lists none
  REQUIRE(shell.await("\n0\r\n"));
  shell.type("messages cou\t\r");
  REQUIRE(shell.await("call  add NUMBER     adds it, and replies the sum\r\n"));
  shell.type("replace-state cou\t-7\r");
  shell.type("call counter st\t\r");
  REQUIRE(shell.await("\n-7\r\n"));
  peeperd.daemon().signal(SIGSTOP);
  const auto begin = std::chrono::steady_clock::now();
  shell.type("call unheard_of \t\025help replace-state\r");
  REQUIRE(shell.await("replace-state [OPTIONS] SERVER VALUE"));
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds{10});
  peeperd.daemon().signal(SIGCONT);
  CHECK(shell.leave() == 0);
  peeperd.stop();
}
