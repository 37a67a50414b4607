// Who shows a server's state: its worker, or a process that only looks; and what that one may do.
#include <doctest/doctest.h>
#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "common/limits.hpp"
#include "instance.hpp"
#include "rights.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

namespace fs = std::filesystem;

std::string config(std::string_view more = "") {
  return "[[server]]\nname = \"confined\"\nbehaviour = \"confined\"\nstate_size = \"8MiB\"\n"
         "callback_timeout = 0\nstandby = 0\n" + std::string(more) + "\n";
}

// What format_status says of the process that it runs in.
struct Shown {
  std::int64_t pid;
  std::int64_t data;
  std::string user;
  std::string create;
  std::string tcp;
};

Shown shown(Talk& talk) {
  const auto state = talk.reply({"SYS", "GET_STATE", "confined"});
  REQUIRE_MESSAGE((state && state->field("pid") != nullptr), text_of(state));
  return {state->field("pid")->integer, state->field("data")->integer,
          state->field("user")->text, state->field("create")->text, state->field("tcp")->text};
}

// Asked while the worker can't answer, so of a process that only looks.
template <class Ask>
auto without_worker(Instance& peeperd, Ask ask) {
  const Watch worker{peeperd.worker("confined")};
  worker.kill(SIGSTOP);
  auto answer = ask();
  worker.kill(SIGCONT);
  return answer;
}

Shown shown_by_another(Instance& peeperd, Talk& talk) {
  const Shown state = without_worker(peeperd, [&] { return shown(talk); });
  CHECK(state.pid != peeperd.worker("confined"));
  return state;
}

}  // namespace

// Not each time: where the machine is so busy that it doesn't run for a while, another one does.
TEST_CASE("state: a worker that answers shows it itself") {
  Instance peeperd{config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const int worker = peeperd.worker("confined");
  int times = 0;
  for (int i = 0; i < 20; ++i) {
    if (shown(talk).pid == worker) ++times;
    CHECK(talk({"CALL", "confined", "inc"}) == std::to_string(i + 1));
  }
  CHECK(times > 0);
  peeperd.stop();
}

TEST_CASE("state: asking a server that is in a callback for long adds nothing to its mailbox") {
  Instance peeperd{config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  Talk caller = peeperd.talk();
  caller.send({"CALL", "TIMEOUT", "600000", "confined", "hang", "600000"});
  peeperd.await_message("confined");
  const int worker = peeperd.worker("confined");
  // The first one may have asked the worker before that was long.
  CHECK(shown(talk).pid != worker);
  const auto waiting = peeperd.fact("confined", "mailbox");
  for (int i = 0; i < 3; ++i) CHECK(shown(talk).pid != worker);
  CHECK(peeperd.fact("confined", "mailbox") == waiting);
  CHECK(talk({"SYS", "KILL", "confined"}) == "OK");  // it would hang on
  CHECK(caller.receive() == "-CRASHED confined: SIGKILL in 'hang'");
  peeperd.stop();
}

TEST_CASE("state: a worker that doesn't come is not waited for") {
  Instance peeperd{""};
  std::ofstream{peeperd.config_file()}
      << "[[server]]\nname = \"gated\"\nbehaviour = \"gated\"\nstate_size = \"1MiB\"\n"
         "standby = 0\nworking_directory = \"" + peeperd.directory().string() + "\"\n";
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "gated", "next"}) == "1");
  std::ofstream{peeperd.directory() / "gate"} << "";
  CHECK(talk({"SYS", "KILL", "gated"}) == "OK");
  peeperd.await([&] { return fs::exists(peeperd.directory() / "at_gate"); });
  CHECK(talk({"SYS", "GET_STATE", "gated"}) == "[count 1]");
  fs::remove(peeperd.directory() / "gate");
  CHECK(talk({"CALL", "gated", "next"}) == "2");
  peeperd.stop();
}

TEST_CASE("state: who shows it of a server in a sandbox is in the same one") {
  for (const bool is_strict : {false, true}) {
    CAPTURE(is_strict);
    Instance peeperd{config(is_strict ? "sandbox = \"strict\"" : "")};
    peeperd.start();
    Talk talk = peeperd.talk();
    const fs::path file = peeperd.directory() / "file";
    CHECK(talk({"CALL", "confined", "file", file.string()}) == "0");
    const Shown state = shown_by_another(peeperd, talk);
    CHECK(state.create == (is_strict ? "EACCES" : "ok"));
    CHECK(state.tcp == (is_strict ? "EACCES" : "ok"));
    CHECK(fs::exists(file) == !is_strict);
    peeperd.stop();
  }
}

TEST_CASE("state: who shows it of another user's server is that user") {
  if (!is_root()) return;
  Instance peeperd{config("user = \"nobody\"")};
  peeperd.run_from(install_for_all(peeperd, "confined"));
  peeperd.start();
  Talk talk = peeperd.talk();
  const passwd* const nobody = ::getpwnam("nobody");
  REQUIRE(nobody != nullptr);
  const std::string uid = std::to_string(nobody->pw_uid);
  CHECK(talk({"CALL", "confined", "file", (peeperd.directory() / "file").string()}) == "0");
  const Shown state = shown_by_another(peeperd, talk);
  CHECK(state.user == uid + ":" + uid);
  CHECK(state.create == "EACCES");
  peeperd.stop();
}

// A sanitizer's own memory is far more.
#ifndef PEEPER_SANITIZED
TEST_CASE("state: who shows it takes no more memory than limits.memory, or 256 MiB, and the heap") {
  for (const bool is_limited : {true, false}) {
    CAPTURE(is_limited);
    Instance peeperd{config(is_limited ? "[server.limits]\nmemory = \"64MiB\"" : "")};
    peeperd.start();
    Talk talk = peeperd.talk();
    CHECK(talk({"CALL", "confined", "inc"}) == "1");
    const auto own = static_cast<std::int64_t>(is_limited ? 64 * limits::MiB
                                                          : limits::kInspectorBytes);
    const Shown state = shown_by_another(peeperd, talk);
    CHECK(state.data > own);
    CHECK(state.data <= own + static_cast<std::int64_t>(8 * limits::MiB));
    const auto ask = [&] { return text_of(talk.reply({"SYS", "GET_STATE", "confined", "taken"})); };
    CHECK(talk({"CALL", "confined", "take", std::to_string(own * 3 / 4)}) == "1");
    CHECK(without_worker(peeperd, ask) == std::to_string(own * 3 / 4));
    CHECK(talk({"CALL", "confined", "take", std::to_string(2 * own)}) == "1");
    const std::string refused = without_worker(peeperd, ask);
    CAPTURE(refused);
    CHECK(refused.find("std::bad_alloc") != refused.npos);
    CHECK(peeperd.fact("confined", "crashes") == 0);
    CHECK(talk({"CALL", "confined", "inc"}) == "2");
    peeperd.stop();
  }
}
#endif
