// `peeper completion`: the scripts, in real shells.
#include <doctest/doctest.h>
#include <signal.h>

#include <algorithm>
#include <string>
#include <vector>

#include "instance.hpp"
#include "require.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

using Words = std::vector<std::string>;

// $1 is peeper, what follows is the line as readline takes it apart, "=" a word of its own; the last
// one is at the cursor. Prints COMPREPLY in lines, then the milliseconds it took.
constexpr const char* kBash = R"sh(
source <("$1" completion bash) || exit 1
complete -p peeper >/dev/null || exit 1
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
begin=${EPOCHREALTIME/[.,]/}
_peeper peeper "${@: -1}" "${@: -2:1}"
end=${EPOCHREALTIME/[.,]/}
printf '%s\n' "${COMPREPLY[@]}" "$(((end - begin) / 1000))"
)sh";

// The same, with what compsys would do noted down in its place.
constexpr const char* kZsh = R"sh(
compdef() { : }
compadd() { [[ $1 == -- ]] && shift; print -l -- "${(@M)@:#$PREFIX*}" }
_describe() { compadd -- ${${(P)2}%%:*} }
_files() { print -l -- ${PREFIX}*(N) }
compset() { PREFIX=${PREFIX#*=} }
source =("$1" completion zsh) || exit 1
words=("$@")
CURRENT=$#
PREFIX=${@[-1]}
_peeper
print 0
)sh";

struct Completed {  // without the empty ones
  Words words;
  int ms = 0;
};

Completed complete(Words command, const Words& line, const std::string& socket) {
  const bool is_zsh = command.front() == "zsh";
  command.insert(command.end(), {"-c", is_zsh ? kZsh : kBash, "shell", program("peeper")});
  command.insert(command.end(), line.begin(), line.end());
  const Ran ran = run({command, {{"PEEPER_SOCKET", socket}}, "/", ""});
  CHECK(ran.err == "");
  require(ran.exit_code == 0, "no completion: " + ran.out);
  Completed completed;
  std::string word;
  for (const char c : ran.out) {
    if (c != '\n') {
      word += c;
    } else {
      if (!word.empty()) completed.words.push_back(word);
      word.clear();
    }
  }
  completed.ms = std::stoi(completed.words.back());
  completed.words.pop_back();
  return completed;
}

std::string sorted(Words words) {
  std::ranges::sort(words);
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

bool has(const Words& words, std::string_view word) {
  return std::ranges::find(words, word) != words.end();
}

const std::string kConfig = "[[group]]\nname = \"shop\"\n" +
                            counter_config("counter", "group = \"shop\"") +
                            counter_config("a.b-c_d");

// What both shells complete, from the peeperd at $PEEPER_SOCKET.
void check_lines(const Words& shell, const Instance& peeperd) {
  const auto completed = [&](const Words& line, const std::string& socket) {
    return complete(shell, line, socket).words;
  };
  const auto check = [&](const Words& line, const Words& expected) {
    std::string shown;
    for (const std::string& word : line) shown += " '" + word + "'";
    CAPTURE(shown);
    CHECK(sorted(completed(line, peeperd.socket())) == sorted(expected));
  };
  const Words commands = completed({""}, "");
  CHECK(commands.size() > 20);
  for (const char* command : {"call", "ls", "segments", "completion"}) CHECK(has(commands, command));
  check({"se"}, {"segments", "send"});
  check({"call", ""}, {"a.b-c_d", "counter"});
  check({"call", "co"}, {"counter"});
  check({"call", "x"}, {});
  check({"stop", ""}, {"a.b-c_d", "counter", "shop"});
  check({"trace", "counter", ""}, {"off", "on"});
  check({"trace", "counter", "of"}, {"off"});
  check({"kill", "counter", ""}, {"keeper", "standby", "worker"});
  check({"kill", "counter", "worker", "SIGK"}, {"SIGKILL"});
  check({"kill", "counter", "worker", "SIGUSR"}, {"SIGUSR1", "SIGUSR2"});
  check({"deadletters", ""}, {"drop", "list", "retry", "show"});
  check({"deadletters", "show", "c"}, {"counter"});
  check({"crashes", "counter", ""}, {"show"});
  check({"completion", ""}, {"bash", "zsh"});
  check({"ls", ""}, {});
  // Options, and their values.
  check({"--j"}, {"--json"});
  check({"call", "--i"}, {"--id"});
  check({"segments", "--p"}, {"--prune"});
  check({"trace", "--id"}, {});
  const Words options = completed({"call", "-"}, "");
  for (const char* option : {"--id", "--timeout", "--socket", "-s", "--help"})
    CHECK(has(options, option));
  CHECK_FALSE(has(options, "--prune"));
  check({"call", "--timeout", ""}, {});
  check({"call", "--timeout", "5", "co"}, {"counter"});
  check({"--json", "--timeout", "5", "call", "co"}, {"counter"});
  CHECK(has(completed({"-s", "/de"}, ""), "/dev"));
  CHECK(has(completed({"upgrade", "counter", "/de"}, ""), "/dev"));
  // Messages, by the kind that the command sends.
  check({"call", "counter", ""}, {"state", "inc", "add", "inc_then_segv", "segv"});
  check({"cast", "counter", ""}, {"inc", "add"});
  check({"send", "counter", "a"}, {"add"});
  check({"bench", "counter", "st"}, {"state"});
  check({"--timeout", "500", "call", "--id", "x", "counter", "inc_"}, {"inc_then_segv"});
  check({"call", "nobody", ""}, {});
  check({"replace-state", "co"}, {"counter"});
  check({"replace-state", "counter", ""}, {});
  // What else is the server's is not ours to complete.
  check({"call", "counter", "add", ""}, {});
  check({"call", "counter", "add", "-"}, {});
  check({"call", "--", "co"}, {"counter"});
  check({"call", "--", "-"}, {});
  // The socket of the line counts.
  CHECK(completed({"-s", "/nowhere", "call", ""}, peeperd.socket()).empty());
  CHECK(completed({"-s", peeperd.socket(), "call", "co"}, "/nowhere") == Words{"counter"});
}

}  // namespace

TEST_CASE("completion: bash completes commands, options, words, signals and servers") {
  Instance peeperd{kConfig};
  peeperd.start();
  const Words shell{"bash", "--norc", "--noprofile"};
  check_lines(shell, peeperd);
  // Readline takes these apart.
  CHECK(complete(shell, {"--socket", "=", peeperd.socket(), "call", "co"}, "/nowhere").words ==
        Words{"counter"});
  CHECK(has(complete(shell, {"--socket", "=", "/de"}, "").words, "/dev"));
  CHECK(complete(shell, {"call", "--timeout", "=", ""}, peeperd.socket()).words.empty());
  CHECK(complete(shell, {"call", "--timeout", "=", "5", "co"}, peeperd.socket()).words ==
        Words{"counter"});
  peeperd.stop();
}

TEST_CASE("completion: zsh completes the same") {
  if (run({{"sh", "-c", "command -v zsh"}, {}, "", ""}).exit_code != 0) {
    MESSAGE("skipped: no zsh here");
    return;
  }
  Instance peeperd{kConfig};
  peeperd.start();
  const Words shell{"zsh", "-f"};
  check_lines(shell, peeperd);
  CHECK(complete(shell, {"--socket=" + peeperd.socket(), "call", "co"}, "/nowhere").words ==
        Words{"counter"});
  CHECK(has(complete(shell, {"--socket=/de"}, "").words, "/dev"));
  peeperd.stop();
}

TEST_CASE("completion: without peeperd, or when it doesn't answer, nothing comes, and soon") {
  const Words shell{"bash", "--norc", "--noprofile"};
  Instance peeperd{kConfig};
  CHECK(complete(shell, {"call", ""}, peeperd.socket()).words.empty());
  CHECK(has(complete(shell, {"ca"}, peeperd.socket()).words, "call"));
  peeperd.start();
  peeperd.daemon().signal(SIGSTOP);
  int least_ms = 1'000'000;
  for (int i = 0; i < 3; ++i) {
    const Completed completed = complete(shell, {"call", ""}, peeperd.socket());
    CHECK(completed.words.empty());
    least_ms = std::min(least_ms, completed.ms);
  }
  CHECK(least_ms < 500);
  peeperd.daemon().signal(SIGCONT);
  CHECK(complete(shell, {"call", "c"}, peeperd.socket()).words == Words{"counter"});
  peeperd.stop();
}
