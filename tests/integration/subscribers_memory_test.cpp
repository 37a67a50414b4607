// Subscribers that never read what servers write or do: peeperd's memory stays bounded, they lose
// their connection, and others get all that is theirs.
#include <doctest/doctest.h>

#include <string>
#include <thread>
#include <vector>

#include "instance.hpp"
#include "raw_client.hpp"

using namespace peeper;
using namespace peeper::test;

namespace {

// limits::kMostUnsentBytes, as much again in a string that has just doubled, and what servers take.
// AddressSanitizer keeps what was freed for a while.
#ifdef PEEPER_SANITIZED
constexpr std::int64_t kRoomKib = 1024 * 1024;
#else
constexpr std::int64_t kRoomKib = 500 * 1024;
#endif
// Together they are faster than one may be, which is what bounds how long this takes.
constexpr int kServers = 5;

std::string name_of(int server) { return "s" + std::to_string(server); }

std::string config(std::string_view behaviour) {
  std::string all;
  for (int i = 0; i < kServers; ++i)
    all += "[[server]]\nname = \"" + name_of(i) + "\"\nbehaviour = \"" + std::string(behaviour) +
           "\"\nstate_size = \"1MiB\"\nstandby = 0\ncallback_timeout = 0\n";
  return all;
}

std::string channels(std::string_view end) {
  std::string all;
  for (int i = 0; i < kServers; ++i) all += " " + name_of(i) + std::string(end);
  return all;
}

bool is_disconnected(const Instance& peeperd) {
  return peeperd.log().find("subscribes to more than it reads; its connection is closed") !=
         std::string::npos;
}

// The map of the next push.
resp::Reply next(Talk& follower) {
  auto push = follower.client().receive(kPatience);
  REQUIRE(push.has_value());
  REQUIRE(push->elements.size() == 3);
  return std::move(push->elements[2]);
}

}  // namespace

TEST_CASE("subscribers: of what servers write, one that never reads is cut off, another gets all") {
  Instance peeperd{config("prints")};
  peeperd.start();
  Talk follower = peeperd.talk();
  follower.send({"SUBSCRIBE", "s0!output"});
  CHECK(follower.receive().starts_with("[subscribe"));
  const std::int64_t before = peak_kib(peeperd.daemon().pid());
  RawClient sleeper{peeperd.socket()};
  REQUIRE(sleeper.send("HELLO 3\r\nSUBSCRIBE !output" + channels("!output") + "\r\n"));
  std::vector<Talk> callers;
  for (int i = 0; i < kServers; ++i) callers.push_back(peeperd.talk());
  constexpr int kLines = 500;
  int rounds = 0;
  const auto flood = [&] {
    for (int i = 0; i < kServers; ++i)
      callers[static_cast<std::size_t>(i)].send(
          {"CALL", "TIMEOUT", "600000", name_of(i), "flood", std::to_string(kLines), "8000"});
    for (Talk& caller : callers) REQUIRE(caller.receive() == "OK");
    ++rounds;
  };
  // 20 MB a round, each line twice.
  while (!is_disconnected(peeperd)) {
    REQUIRE(rounds < 40);
    flood();
  }
  flood();
  for (int line = 0; line < rounds * kLines; ++line) {
    const resp::Reply told = next(follower);
    REQUIRE(told.field("dropped")->integer == 0);
    REQUIRE(told.field("line")->text.starts_with(std::to_string(line % kLines + 1) + " "));
    REQUIRE(told.field("line")->text.size() == 7999);
  }
  (void)sleeper.receive_to_end();
  CHECK(peak_kib(peeperd.daemon().pid()) <= before + kRoomKib);
  peeperd.stop();
}

TEST_CASE("subscribers: of traces, one that never reads is cut off, another gets all events") {
  Instance peeperd{config("counter")};
  peeperd.start();
  Talk follower = peeperd.talk();
  follower.send({"SUBSCRIBE", "s0!trace"});
  CHECK(follower.receive().starts_with("[subscribe"));
  const std::int64_t before = peak_kib(peeperd.daemon().pid());
  RawClient sleeper{peeperd.socket()};
  REQUIRE(sleeper.send("HELLO 3\r\nSUBSCRIBE" + channels("!trace") + "\r\n"));
  Talk talk = peeperd.talk();
  // As large as an event can be.
  std::string arguments;
  for (int i = 0; i < 16; ++i) arguments += " " + std::string(250, 'x');
  constexpr int kCasts = 100;
  std::int64_t sent = 0;
  for (int rounds = 0; !is_disconnected(peeperd); ++rounds) {
    REQUIRE(rounds < 2'000);
    std::string all;
    for (int server = 0; server < kServers; ++server)
      for (int i = 0; i < kCasts; ++i)
        all += "CAST " + name_of(server) + " inc" + arguments + "\r\n";
    talk.send_raw(all);
    for (int i = 0; i < kServers * kCasts; ++i) REQUIRE(talk.receive() == "OK");
    sent += kCasts;
    std::this_thread::sleep_for(50ms);  // a thousand a second are told, not more
  }
  // Then one event of a later second, which tells how many were left out before it.
  std::this_thread::sleep_for(1100ms);
  CHECK(talk({"CAST", "s0", "last"}) == "OK");
  std::int64_t told = 0;
  std::int64_t dropped = 0;
  for (bool is_last = false; !is_last;) {
    const resp::Reply event = next(follower);
    ++told;
    dropped += event.field("dropped")->integer;
    is_last = event.field("message") != nullptr && event.field("message")->text == "last";
  }
  CHECK(told + dropped == sent + 1);
  CHECK(told > 1'000);
  (void)sleeper.receive_to_end();
  CHECK(peak_kib(peeperd.daemon().pid()) <= before + kRoomKib);
  peeperd.stop();
}
