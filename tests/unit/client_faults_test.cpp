// Connections that are lost at any byte: each message has one effect, and its caller learns it.
#include <doctest/doctest.h>

#include <random>

#include "common/client/client.hpp"
#include "common/client/pipeline.hpp"
#include "fake_daemon.hpp"

using namespace peeper;
using namespace peeper::test;
using namespace std::chrono_literals;

namespace {

ClientOptions impatient(const std::string& socket) {
  return {.socket = socket, .timeout = 20s, .first_pause = 1ms, .longest_pause = 2ms};
}

enum class Cut { kReading, kWriting };

// Three messages at once to a daemon that hangs up on the first connection after so many bytes.
// Returns whether it did.
bool check_cut(Cut cut, std::size_t bytes) {
  Model model;
  std::atomic<int> connections{0};
  FakeDaemon daemon([&](Peer& peer, int number) {
    ++connections;
    if (number == 0 && cut == Cut::kReading) peer.read_at_most(bytes);
    if (number == 0 && cut == Cut::kWriting) peer.write_at_most(bytes);
    model.play(peer);
  });
  auto client = Client::connect(impatient(daemon.socket()));
  // Connecting is not tried again.
  while (!client) client = Client::connect(impatient(daemon.socket()));
  {
    Pipeline pipeline(*client);
    for (int i = 0; i < 3; ++i) REQUIRE(pipeline.call("counter", "inc").has_value());
    for (int i = 1; i <= 3; ++i) CHECK(as<int>(pipeline.next()).value() == i);
  }
  CHECK(as<int>(client->call("counter", "inc")).value() == 4);
  CHECK(model.count() == 4);
  return connections > 1;
}

}  // namespace

TEST_SUITE("client") {
  TEST_CASE("a daemon that hangs up after any byte it read costs no message and doubles none") {
    std::size_t bytes = 0;
    while (check_cut(Cut::kReading, bytes)) ++bytes;
    MESSAGE("lost after each of " << bytes << " bytes of commands");
    CHECK(bytes > 200);
  }

  TEST_CASE("a daemon that hangs up after any byte it wrote costs no message and doubles none") {
    std::size_t bytes = 0;
    while (check_cut(Cut::kWriting, bytes)) ++bytes;
    MESSAGE("lost after each of " << bytes << " bytes of replies");
    CHECK(bytes >= 32);
  }

  TEST_CASE("connections that are lost at random bytes leave a thousand calls exact") {
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random{seed};
    Model model;
    int connections = 0;
    FakeDaemon daemon([&](Peer& peer, int) {
      ++connections;
      if (random() % 2 == 0) {
        peer.read_at_most(22 + random() % 2000);
      } else {
        peer.write_at_most(16 + random() % 100);
      }
      model.play(peer);
    });
    {
      auto client = Client::connect(impatient(daemon.socket()));
      while (!client) client = Client::connect(impatient(daemon.socket()));
      for (int i = 1; i <= 500; ++i) {
        const auto count = as<int>(client->call("counter", "inc"));
        REQUIRE_MESSAGE(count.has_value(), count.error().what);
        REQUIRE(*count == i);
      }
      Pipeline pipeline(*client);
      for (int i = 0; i < 500; ++i) REQUIRE(pipeline.call("counter", "inc").has_value());
      for (int i = 501; i <= 1000; ++i) REQUIRE(as<int>(pipeline.next()).value() == i);
    }
    MESSAGE(connections << " connections");
    CHECK(model.count() == 1000);
    CHECK(connections > 20);
  }
}
