// What was dropped stays dropped, whoever is started again in between.
#include <doctest/doctest.h>
#include <signal.h>

#include "instance.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

std::string server(std::string_view name, std::string_view behaviour, std::string_view more = "") {
  return "[[server]]\nname = \"" + std::string(name) + "\"\nbehaviour = \"" +
         std::string(behaviour) + "\"\nmax_restarts = 1000000\n" + std::string(more);
}

// a sends to b, which has no room, and then a message to c that crashes it. So the next daemon
// begins before both.
struct Held {
  Instance peeperd;

  explicit Held(const std::string& c)
      : peeperd(server("a", "full") +
                server("b", "counter", "mailbox = \"64KiB\"\noverflow = \"reject\"\n") + c) {
    peeperd.start();
    Watch{peeperd.worker("b")}.kill(SIGSTOP);
    Talk talk = peeperd.talk();
    for (const std::string& text : {std::string(8000, 'x'), std::string()}) {
      std::string answer = "OK";
      while (answer == "OK") answer = talk({"CAST", "b", "inc", text});
      CHECK(answer.starts_with("-BUSY"));
    }
    CHECK(call({"a", "tell", "b", "inc"}) == "OK");
    peeperd.await([&] { return waiting() == 1; });
  }

  std::string call(std::vector<std::string_view> words) {
    words.insert(words.begin(), "CALL");
    Talk talk = peeperd.talk();
    return text_of(talk.client().command(words, std::chrono::seconds{20}));
  }
  std::int64_t waiting() {
    Talk talk = peeperd.talk();
    const auto status = talk.reply({"SYS", "GET_STATUS", "a"});
    REQUIRE(status.has_value());
    const resp::Reply* field = status->field("outgoing_waiting");
    REQUIRE(field != nullptr);
    return field->integer;
  }
  void restart() {
    CHECK(waiting() == 1);
    peeperd.kill_daemon();
    peeperd.start();
  }
};

}  // namespace

TEST_CASE("a dropped message of another server does not come back with the next daemon") {
  Held held{server("c", "counter")};
  CHECK(held.call({"a", "tell", "c", "segv"}) == "OK");
  held.peeperd.await([&] { return held.peeperd.fact("c", "crashes") == 1; });
  CHECK(held.call({"c", "state"}) == "0");
  held.restart();
  // Behind what was sent before.
  CHECK(held.call({"a", "tell", "c", "inc"}) == "OK");
  held.peeperd.await([&] { return held.call({"c", "state"}) == "1"; });
  CHECK(held.peeperd.fact("c", "crashes") == 0);
  held.peeperd.stop();
}

TEST_CASE("a message of another server that threw, dropped with terminate, does not come back") {
  Held held{server("c", "full")};
  CHECK(held.call({"a", "inform", "c", "boom"}) == "OK");
  held.peeperd.await([&] { return held.peeperd.fact("c", "crashes") == 1; });
  CHECK(held.call({"c", "get"}) == "0");
  held.restart();
  CHECK(held.call({"a", "tell", "c", "inc"}) == "OK");
  held.peeperd.await([&] { return held.call({"c", "get"}) == "1"; });
  CHECK(held.peeperd.fact("c", "crashes") == 0);
  held.peeperd.stop();
}

TEST_CASE("a dropped answer does not come back with the next daemon, its call's time limit does") {
  Held held{server("c", "full")};
  CHECK(held.call({"c", "put", "trap", "1"}) == "OK");
  CHECK(held.call({"c", "ask_within", "3000", "a", "get"}) == "OK");
  held.peeperd.await([&] { return held.peeperd.fact("c", "crashes") == 1; });
  CHECK(held.call({"c", "drop", "trap"}) == "true");
  held.restart();
  CHECK(held.call({"a", "tell", "c", "inc"}) == "OK");
  held.peeperd.await([&] { return held.call({"c", "get"}) == "1"; });
  CHECK(held.call({"c", "log"}).find("answer 0") == std::string::npos);
  held.peeperd.await(
      [&] { return held.call({"c", "log"}).find("answer error TIMEOUT a") != std::string::npos; });
  CHECK(held.peeperd.fact("c", "crashes") == 0);
  held.peeperd.stop();
}

TEST_CASE("what a server keeps of its calls does not grow with the names it has called") {
  Instance peeperd{server("a", "full", "mailbox = \"64KiB\"\n")};
  peeperd.start();
  Talk talk = peeperd.talk();
  // Heap in use after calls to 100 servers that are not there, and what they left in the log gone.
  const auto used_after = [&](int first) {
    for (int i = first; i < first + 100; ++i) {
      const std::string nobody = "nobody" + std::to_string(1000 + i);
      CHECK(talk({"CALL", "a", "ask", nobody, "get"}) == "OK");
    }
    peeperd.await([&] {
      return talk({"SYS", "GET_STATE", "a"}).find("nobody" + std::to_string(1099 + first)) !=
             std::string::npos;
    });
    CHECK(talk({"CALL", "a", "forget"}) == "OK");
    CHECK(talk({"CALL", "a", "inc"}) != "");
    Talk asker = peeperd.talk();
    const auto status = asker.reply({"SYS", "GET_STATUS", "a"});
    REQUIRE(status.has_value());
    const resp::Reply* used = status->field("heap_used");
    REQUIRE(used != nullptr);
    return used->integer;
  };
  (void)used_after(0);  // what has a size once and for all
  const std::int64_t before = used_after(100);
  CHECK(used_after(200) == before);
  peeperd.stop();
}
