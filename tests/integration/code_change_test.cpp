// SYS CHANGE_CODE as a client meets it: what goes on, what comes back, and what a restart makes of
// it. The stages and what may happen in them are in tests/unit/daemon_upgrade_test.cpp.
#include "code_change.hpp"

using namespace peeper;
using namespace peeper::test;

namespace fs = std::filesystem;

TEST_CASE("a code change keeps state, clients, and the messages that come meanwhile") {
  Instance peeperd{mine("first")};
  install(peeperd, "shape", "first");
  install(peeperd, "shape", "second");
  peeperd.start();
  Talk talk = peeperd.talk();
  Talk other = peeperd.talk();
  CHECK(talk({"CALL", "mine", "inc"}) == "1");
  const int keeper = peeperd.keeper("mine");
  for (int i = 1; i <= 5; ++i) {
    const std::string to = i % 2 == 1 ? "second" : "first";
    talk.send({"SYS", "CHANGE_CODE", "mine", to});
    for (int n = 0; n < 100; ++n) other.send({"CALL", "mine", "inc"});
    CHECK(talk.receive() == "OK");
    for (int n = 1; n <= 100; ++n)
      CHECK(other.receive() == std::to_string(1 + (i - 1) * 100 + n));
    CHECK(peeperd.text_fact("mine", "behaviour") == to);
  }
  CHECK(peeperd.keeper("mine") == keeper);
  CHECK(peeperd.fact("mine", "incarnation") == 6);
  CHECK(peeperd.fact("mine", "crashes") == 0);
  // After a crash the new code goes on, here only as far as the intensity allows.
  CHECK(peeperd.peeper({"kill", "mine"}).exit_code == 0);
  peeperd.await([&] { return peeperd.text_fact("mine", "state") == "down"; });
  const Ran refused = peeperd.peeper({"upgrade", "mine", "first"});
  CHECK(refused.exit_code == 1);
  CHECK(refused.err.starts_with("(error) DOWN mine: more than 0 restarts"));
  peeperd.stop();
}

TEST_CASE("code that can't run the state gives way to the old code, which counts for nothing") {
  Instance peeperd{mine("shape")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "inc"}) == "1");
  int count = 1;
  for (const auto& [behaviour, cause] : {std::pair{"shape_newer", "its version was 0, is 2"},
                                         std::pair{"foreign", "is not a behaviour"},
                                         std::pair{"other_sdk", "was built for SDK version"}}) {
    const Ran ran = peeperd.peeper({"upgrade", "mine", behaviour});
    CAPTURE(ran.err);
    CHECK(ran.exit_code == 1);
    CHECK(ran.err.starts_with("(error) ERR code change failed: "));
    CHECK(ran.err.find(cause) != std::string::npos);
    CHECK(ran.err.ends_with("; the old code goes on\n"));
    CHECK(talk({"CALL", "mine", "inc"}) == std::to_string(++count));
    CHECK(peeperd.text_fact("mine", "behaviour") == "shape");
  }
  peeperd.stop();
}

TEST_CASE("a code change that can't begin leaves the worker alone") {
  Instance peeperd{mine("shape")};
  { std::ofstream{peeperd.directory() / "text.so"} << "no code"; }
  peeperd.start();
  Talk talk = peeperd.talk();
  const int worker = peeperd.worker("mine");
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", "none"})
            .starts_with("-BADARG behaviour \"none\" not found; looked at "));
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", "./text.so"}) ==
        "-BADARG " + (peeperd.directory() / "text.so").string() + " is no shared object");
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", ""}).starts_with("-BADARG behaviour: expected"));
  CHECK(talk({"SYS", "CHANGE_CODE", "mine"}).starts_with("-BADARG usage: SYS CHANGE_CODE"));
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", "shape", "TIMEOUT"}).starts_with("-BADARG usage"));
  for (const char* time : {"0", "-1", "86400001", "1s", "99999999999999999999", ""})
    CHECK(talk({"SYS", "CHANGE_CODE", "mine", "shape", "TIMEOUT", time})
              .starts_with("-BADARG TIMEOUT takes milliseconds"));
  CHECK(talk({"SYS", "CHANGE_CODE", "nobody", "shape"}).starts_with("-NOSERVER"));
  CHECK(peeperd.worker("mine") == worker);
  peeperd.stop();
}

TEST_CASE("after a code change peeperd starts with the former configuration and with the new") {
  Instance peeperd{mine("first")};
  install(peeperd, "shape", "first");
  install(peeperd, "shape", "second");
  install(peeperd, "shape_larger", "third");
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == "1");
  CHECK(peeperd.peeper({"upgrade", "mine", "second"}).out == "OK\n");
  peeperd.kill_daemon();
  int count = 1;
  for (const char* behaviour : {"first", "second", "first"}) {
    configure(peeperd, mine(behaviour));
    peeperd.start();
    CHECK(peeperd.talk()({"CALL", "mine", "inc"}) == std::to_string(++count));
    peeperd.stop();
  }
  // The State still says what fits, and the text what to do.
  configure(peeperd, mine("third"));
  peeperd.start();
  peeperd.await([&] { return peeperd.text_fact("mine", "state") == "down"; });
  const std::string down = peeperd.talk()({"CALL", "mine", "inc"});
  CHECK(down.starts_with("-DOWN mine: "));
  peeperd.stop();
}

TEST_CASE("code_change makes the new state out of the old one, while calls go on") {
  Instance peeperd{mine("shape")};
  peeperd.start();
  Talk talk = peeperd.talk();
  Talk other = peeperd.talk();
  const auto call = [&](int count) {
    for (int i = 0; i < count; ++i) other.send({"CALL", "TIMEOUT", "60000", "mine", "inc"});
  };
  // The old code counts by one, the new one doubles that. None is lost, none counted twice, none
  // gets its answer from the old code after one from the new.
  call(500);
  for (int i = 1; i <= 100; ++i) CHECK(other.receive() == std::to_string(i));
  talk.send({"SYS", "CHANGE_CODE", "mine", "evolved", "TIMEOUT", "60000"});
  call(500);
  CHECK(talk.receive() == "OK");
  call(10);
  int count = 100;
  int by_old_code = 100;
  while (count < 1010) {
    const std::string answer = other.receive();
    ++count;
    if (by_old_code == count - 1 && answer == std::to_string(count))
      ++by_old_code;
    else
      CHECK(answer == std::to_string(2 * count));
  }
  MESSAGE("answered by the old code: " << by_old_code);
  CHECK(by_old_code <= 1000);
  CHECK(talk({"CALL", "mine", "get"}) == "2020");
  CHECK(talk({"CALL", "mine", "inc"}) == "2022");
  // Once: neither the next incarnation nor the next peeperd, configured anew, does it again.
  configure(peeperd, mine("evolved"));
  peeperd.stop();
  peeperd.start();
  CHECK(peeperd.talk()({"CALL", "mine", "get"}) == "2022");
  CHECK(peeperd.talk()({"SYS", "GET_STATE", "mine"}).find("from version 0") != std::string::npos);
  peeperd.stop();
}

TEST_CASE("a code_change that throws, crashes, hangs or can't start leaves the old state as it was") {
  Instance peeperd{mine("shape")};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "inc"}) == "1");
  int count = 1;
  for (const auto& [behaviour, cause] :
       {std::pair{"evolved_throws", "std::runtime_error: no way"},
        std::pair{"evolved_crashes", "SIGSEGV"}, std::pair{"evolved_hangs", ""},
        std::pair{"evolved_starts_not", "std::runtime_error: no start"}}) {
    const std::string name = behaviour;
    CAPTURE(name);
    const std::string answer = talk({"SYS", "CHANGE_CODE", "mine", name, "TIMEOUT", "1000"});
    CHECK(answer.starts_with("-ERR code change failed: "));
    CHECK(answer.find(cause) != std::string::npos);
    CHECK(answer.ends_with("; the old code goes on"));
    CHECK(talk({"CALL", "mine", "inc"}) == std::to_string(++count));
  }
  CHECK(talk({"SYS", "CHANGE_CODE", "mine", "evolved"}) == "OK");
  CHECK(talk({"CALL", "mine", "get"}) == std::to_string(2 * count));
  peeperd.stop();
}

TEST_CASE("a timer that crashed the old code is dropped, not run by the new code") {
  Instance peeperd{mine("shape", 10)};
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "inc"}) == "1");
  // The old worker dies of its timer while the new code waits for its end.
  const fs::path begun = peeperd.directory() / "begun";
  CHECK(talk({"CALL", "mine", "poison", begun.string()}) == "1");
  peeperd.await([&] { return fs::exists(begun); });
  talk.send({"SYS", "CHANGE_CODE", "mine", "evolved"});
  CHECK(talk.receive() == "OK");
  CHECK(peeperd.fact("mine", "crashes") == 1);
  CHECK(talk({"CALL", "mine", "infos"}) == "0");
  CHECK(talk({"CALL", "mine", "get"}) == "2");
  CHECK(peeperd.fact("mine", "crashes") == 1);
  peeperd.stop();
}
