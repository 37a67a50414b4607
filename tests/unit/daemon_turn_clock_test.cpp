// The time of a turn: who takes a reading for it, who shares it, and how long a turn lasted.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <memory>
#include <string_view>
#include <vector>

#include "common/unique_fd.hpp"
#include "daemon/clients/connection.hpp"
#include "daemon/loop/turn_clock.hpp"

using namespace peeper;
using namespace peeper::daemon;

namespace {

// Each reading is a millisecond after the one before.
std::uint64_t readings = 0;
std::uint64_t next_reading() { return ++readings * 1'000'000; }

constexpr std::uint64_t kMs = 1'000'000;

// Connections in one turn of the loop, and how often that reads the clock.
struct Loop {
  boost::asio::io_context loop;
  TurnClock clock{&next_reading};
  Sockets sockets{clock};
  DaemonFacts facts;
  Subscriptions subscriptions;
  Servers servers{subscriptions};
  Commands commands{servers, subscriptions, facts};
  std::vector<UniqueFd> clients;
  std::vector<std::weak_ptr<Connection>> connections;

  explicit Loop(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      std::array<int, 2> fds{};
      REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) ==
              0);
      clients.emplace_back(fds[0]);
      const auto made = std::make_shared<Connection>(
          UniqueFd{fds[1]}, Connection::Surroundings{loop, sockets, commands, facts, {}}, i + 1);
      made->start();
      connections.push_back(made);
    }
  }
  ~Loop() {
    for (const auto& connection : connections)
      if (const auto open = connection.lock()) open->close();
  }
  void say(std::size_t client, std::string_view text) const {
    REQUIRE(::send(clients[client].get(), text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
  }
  std::uint64_t readings_of_a_turn() {
    const std::uint64_t before = readings;
    sockets.turn();
    sockets.settle();
    return readings - before;
  }
};

}  // namespace

TEST_CASE("turn clock: all who ask in a turn share its reading, another one is the turn's from then on") {
  TurnClock clock{&next_reading};
  clock.begin();
  const std::uint64_t began = clock.ns();
  CHECK(began == readings * kMs);
  CHECK(clock.ns() == began);
  CHECK(clock.instant() == Instant{std::chrono::nanoseconds{began}});
  CHECK(clock.read() == began + kMs);
  CHECK(clock.ns() == began + kMs);
  clock.begin();
  CHECK(clock.ns() == began + 2 * kMs);
}

TEST_CASE("turn clock: after what may have taken any time the first who asks reads") {
  TurnClock clock{&next_reading};
  const std::uint64_t first = clock.ns();  // nobody has begun a turn yet
  CHECK(clock.ns() == first);
  clock.forget();
  const std::uint64_t second = clock.ns();
  CHECK(second == first + kMs);
  CHECK(clock.ns() == second);
}

TEST_CASE("turn clock: a turn lasts until the next one, or until there is nothing to do") {
  TurnClock clock{&next_reading};
  CHECK(clock.take_length() == 0);
  clock.begin();
  CHECK(clock.take_length() == 0);
  clock.begin();
  CHECK(clock.take_length() == kMs);
  CHECK(clock.take_length() == 0);
  clock.read();
  clock.rest();
  CHECK(clock.take_length() == 2 * kMs);
  // At rest no turn lasts, however long that is.
  clock.rest();
  clock.forget();
  clock.begin();
  CHECK(clock.take_length() == 0);
}

TEST_CASE("turn clock: a turn with nothing to do reads no clock, one with many clients once") {
  Loop loop{3};
  CHECK(loop.readings_of_a_turn() == 0);
  for (std::size_t client = 0; client < 3; ++client) loop.say(client, "PING\r\n");
  CHECK(loop.readings_of_a_turn() == 1);
  CHECK(loop.readings_of_a_turn() == 0);
}

// Behind the first command there may be some that came in the turn, after its reading.
TEST_CASE("turn clock: commands behind the first of a client share one more reading") {
  Loop loop{2};
  loop.say(0, "PING\r\nPING\r\nPING\r\nPING\r\n");
  CHECK(loop.readings_of_a_turn() == 2);
  loop.say(0, "PING\r\n");
  loop.say(1, "PING\r\nPING\r\n");
  CHECK(loop.readings_of_a_turn() == 2);
}

TEST_CASE("turn clock: what is to be settled without anybody being ready is a turn, too") {
  Loop loop{1};
  loop.connections[0].lock()->reply("+OK\r\n");
  CHECK(loop.readings_of_a_turn() == 1);
  loop.clock.rest();
  CHECK(loop.clock.take_length() == kMs);
}
