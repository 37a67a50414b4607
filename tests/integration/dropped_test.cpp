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
