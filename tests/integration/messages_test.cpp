// SYS MESSAGES and `peeper messages`: what a behaviour lists of its messages.
#include <doctest/doctest.h>

#include <filesystem>
#include <thread>

#include "code_change.hpp"
#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string server(const std::string& name, const std::string& behaviour,
                   const std::string& more = "") {
  return "[[server]]\nname = \"" + name + "\"\nbehaviour = \"" + behaviour + "\"\n" + more;
}

std::size_t longest_line(const std::string& text) {
  std::size_t longest = 0;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    longest = std::max(longest, end - at);
    at = end + 1;
  }
  return longest;
}

}  // namespace

TEST_CASE("messages: all examples list theirs, as a table and as JSON") {
  Instance peeperd{counter_config() + server("kv", "kv") + server("ledger", "ledger") +
                   server("full", "full") + server("slow", "slow")};
  peeperd.start();
  Talk talk = peeperd.talk();
  const auto listed = talk.reply({"SYS", "MESSAGES", "counter"});
  REQUIRE(listed.has_value());
  REQUIRE(listed->elements.size() > 3);
  CHECK(listed->elements[2].field("kind")->text == "call");
  CHECK(listed->elements[2].field("message")->text == "add");
  CHECK(listed->elements[2].field("arguments")->text == "NUMBER");
  CHECK(listed->elements[2].field("text")->text == "adds it, and replies the sum");
  Ran ran = peeperd.peeper({"messages", "counter"});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out.starts_with("KIND  MESSAGE        WHAT IT DOES\n"
                            "call  state          replies the count\n"
                            "call  inc            adds 1, and replies the sum\n"
                            "call  add NUMBER     adds it, and replies the sum\n"));
  ran = peeperd.peeper({"--json", "messages", "counter"});
  CHECK(ran.out.find(R"("message":"add","arguments":"NUMBER")") != std::string::npos);
  for (const char* name : {"kv", "ledger", "full"}) {
    CAPTURE(name);
    ran = peeperd.peeper({"messages", name});
    CHECK(ran.exit_code == 0);
    CHECK(ran.out.starts_with("KIND  MESSAGE"));
    CHECK(longest_line(ran.out) < 120);
  }
  ran = peeperd.peeper({"messages", "slow"});
  CHECK(ran.exit_code == 0);
  CHECK(ran.out.starts_with("The behaviour of server 'slow' lists no messages."));
  CHECK(peeperd.peeper({"--json", "messages", "slow"}).out == "[]\n");
  ran = peeperd.peeper({"messages", "nobody"});
  CHECK(ran.exit_code == 1);
  CHECK(ran.err.find("NOSERVER") != std::string::npos);
  CHECK(talk({"SYS", "MESSAGES", "counter", "more"}).starts_with("-BADARG usage: "));
  peeperd.stop();
}

TEST_CASE("messages: they are told whatever the server does, and without its worker") {
  Instance peeperd{counter_config()};
  peeperd.start();
  Talk talk = peeperd.talk();
  const std::string listed = talk({"SYS", "MESSAGES", "counter"});
  REQUIRE(listed.front() == '[');
  Talk caller = peeperd.talk();
  caller.send({"CALL", "counter", "hang", "60000"});
  peeperd.await_message("counter");
  CHECK(talk({"SYS", "MESSAGES", "counter"}) == listed);
  CHECK(peeperd.peeper({"stop", "counter"}).exit_code == 0);
  CHECK(talk({"SYS", "MESSAGES", "counter"}) == listed);
  // Also the first time.
  peeperd.stop();
  peeperd.start();
  CHECK(peeperd.peeper({"stop", "counter"}).exit_code == 0);
  CHECK(peeperd.talk()({"SYS", "MESSAGES", "counter"}) == listed);
  CHECK(peeperd.fact("counter", "crashes") == 0);
  peeperd.stop();
}

TEST_CASE("messages: of other code they are others, and of none it is said why there are none") {
  Instance peeperd{mine("./own.so")};
  install(peeperd, "ledger", "own");
  peeperd.start();
  Talk talk = peeperd.talk();
  CHECK(talk({"CALL", "mine", "sum"}) == "0");  // the worker has its code
  const std::string of_ledger = talk({"SYS", "MESSAGES", "mine"});
  CHECK(of_ledger.find("transfer_then_segv") != std::string::npos);
  CHECK(talk({"SYS", "MESSAGES", "mine"}) == of_ledger);
  // The file was written anew, as a build does it.
  namespace fs = std::filesystem;
  install(peeperd, "counter", "newer");
  fs::rename(peeperd.directory() / "newer.so", peeperd.directory() / "own.so");
  CHECK(talk({"SYS", "MESSAGES", "mine"}).find("inc_then_segv") != std::string::npos);
  fs::remove(peeperd.directory() / "own.so");
  CHECK(talk({"SYS", "MESSAGES", "mine"}).starts_with("-ERR cannot load behaviour: "));
  install(peeperd, "other_sdk", "own");
  CHECK(talk({"SYS", "MESSAGES", "mine"}).find("compile it again") != std::string::npos);
  CHECK(talk({"CALL", "mine", "sum"}) == "0");
  peeperd.stop();
}

TEST_CASE("messages: many who ask at once get the same, and wait for one process") {
  Instance peeperd{counter_config()};
  peeperd.start();
  std::vector<Talk> askers;
  for (int i = 0; i < 20; ++i) {
    askers.push_back(peeperd.talk());
    askers.back().send({"SYS", "MESSAGES", "counter"});
  }
  // One of them is gone before it is answered.
  askers.pop_back();
  const std::string listed = askers.front().receive();
  CHECK(listed.front() == '[');
  for (std::size_t i = 1; i < askers.size(); ++i) CHECK(askers[i].receive() == listed);
  peeperd.stop();
}
