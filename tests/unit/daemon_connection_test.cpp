// One connection over a socket of the test's: what it reads, when it writes, when it ends.
#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <random>

#include "common/limits.hpp"
#include "daemon/clients/connection.hpp"

using namespace peeper;
using namespace peeper::daemon;

namespace {

struct Client {
  boost::asio::io_context loop;
  TurnClock clock;
  Sockets sockets{clock};
  DaemonFacts facts;
  Subscriptions subscriptions;
  Servers servers{subscriptions};
  Commands commands{servers, subscriptions, facts};
  UniqueFd socket;
  std::weak_ptr<Connection> connection;

  Client() {
    std::array<int, 2> fds{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
    socket.reset(fds[0]);
    const auto made = std::make_shared<Connection>(
        UniqueFd{fds[1]}, Connection::Surroundings{loop, sockets, commands, facts, {}}, 1);
    made->start();
    connection = made;
  }
  ~Client() {
    if (const auto open = connection.lock()) open->close();
  }

  // How much the socket took.
  std::size_t say(std::string_view text) const {
    const ssize_t sent = ::send(socket.get(), text.data(), text.size(), MSG_NOSIGNAL);
    return sent < 0 ? 0 : static_cast<std::size_t>(sent);
  }
  void turns(int count = 10) {
    for (int i = 0; i < count; ++i) {
      sockets.turn();
      loop.poll();
      sockets.settle();
    }
  }
  [[nodiscard]] std::string hear(std::size_t most = 1 << 20) const {
    std::string text(most, '\0');
    const ssize_t got = ::recv(socket.get(), text.data(), text.size(), 0);
    text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
    return text;
  }
  // The end of the stream: nothing is left and the other side has closed.
  [[nodiscard]] bool has_ended() const {
    char byte = 0;
    return ::recv(socket.get(), &byte, 1, 0) == 0;
  }
  [[nodiscard]] bool is_gone() const { return connection.expired(); }
};

std::string times(std::string_view text, std::size_t count) {
  std::string all;
  for (std::size_t i = 0; i < count; ++i) all += text;
  return all;
}

}  // namespace

TEST_CASE("connection: commands of one turn are answered in one write, in order") {
  Client client;
  client.say("PING one\r\nPING two\r\n*2\r\n$4\r\nECHO\r\n$5\r\nthree\r\n");
  client.sockets.turn();
  CHECK(client.hear().empty());
  client.sockets.settle();
  CHECK(client.hear() == "$3\r\none\r\n$3\r\ntwo\r\n$5\r\nthree\r\n");
}

TEST_CASE("connection: a command in pieces of any size is the same command") {
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  const std::string large(200'000, 'x');
  const std::string text = "PING a\r\n*2\r\n$4\r\nECHO\r\n$200000\r\n" + large + "\r\nPING b\r\n";
  const std::string wanted = "$1\r\na\r\n$200000\r\n" + large + "\r\n$1\r\nb\r\n";
  for (const std::size_t most : {1U, 7U, 5'000U, 100'000U}) {
    Client client;
    std::string heard;
    for (std::size_t at = 0; at < text.size();) {
      // Byte by byte only around the edges.
      const bool is_inside = at > 40 && at < text.size() - 20;
      const std::size_t piece = is_inside ? 5'000 + random() % 5'000 : 1 + random() % most;
      at += client.say(std::string_view{text}.substr(at, piece));
      client.turns(3);
      heard += client.hear();
    }
    client.turns(40);
    for (std::string more = client.hear(); !more.empty(); more = client.hear()) {
      heard += more;
      client.turns(3);
    }
    CHECK(heard == wanted);
  }
}

TEST_CASE("connection: a reply that comes later holds back those behind it") {
  Client client;
  const auto connection = client.connection.lock();
  const ReplyTarget target = connection->reserve_reply();
  client.say("PING behind\r\n");
  client.turns();
  CHECK(client.hear().empty());
  target.sink->deliver(target.slot, "+first\r\n");
  client.turns(1);
  CHECK(client.hear() == "+first\r\n$6\r\nbehind\r\n");
}

TEST_CASE("connection: a client that has said all it will say still gets its replies") {
  Client client;
  ReplyTarget target = client.connection.lock()->reserve_reply();
  client.say("PING x\r\n");
  ::shutdown(client.socket.get(), SHUT_WR);
  client.turns();
  CHECK_FALSE(client.is_gone());
  CHECK_FALSE(client.has_ended());
  target.sink->deliver(target.slot, "+late\r\n");
  target = {};
  client.turns();
  CHECK(client.hear() == "+late\r\n$1\r\nx\r\n");
  CHECK(client.has_ended());
  CHECK(client.is_gone());
  CHECK(client.facts.connections == 0);
}

TEST_CASE("connection: waiting for a reply that nobody is left to get costs no turns") {
  Client client;
  ReplyTarget target = client.connection.lock()->reserve_reply();
  client.socket.reset();
  client.turns();
  CHECK(client.sockets.turn() == 0);
  CHECK_FALSE(client.sockets.settle());
  target.sink->deliver(target.slot, "+late\r\n");
  target = {};
  client.turns();
  CHECK(client.is_gone());
}

TEST_CASE("connection: QUIT and a protocol error end it once all before is answered") {
  for (const auto& [said, answered] :
       {std::pair{"PING a\r\nQUIT\r\nPING b\r\n", "$1\r\na\r\n+OK\r\n"},
        std::pair{"PING a\r\n*1\r\n:5\r\nPING b\r\n",
                  "$1\r\na\r\n-ERR Protocol error: expected '$', got ':'\r\n"}}) {
    Client client;
    client.say(said);
    client.turns();
    CHECK(client.hear() == answered);
    CHECK(client.has_ended());
    CHECK(client.is_gone());
  }
}

TEST_CASE("connection: a client that doesn't read is not read from, and loses nothing") {
  Client client;
  const std::string value(100'000, 'v');
  const std::string command = "*2\r\n$4\r\nECHO\r\n$100000\r\n" + value + "\r\n";
  // Until nothing moves any more, with what the kernel holds in both directions.
  std::string pending = times(command, 400);
  std::size_t said = 0;
  for (int idle = 0; idle < 50;) {
    const std::size_t took = client.say(std::string_view{pending}.substr(said));
    client.turns(5);
    said += took;
    idle = took == 0 ? idle + 1 : 0;
  }
  CHECK(said < pending.size());
  CHECK(said > limits::kUnsentBytes);
  CHECK(said < limits::kUnsentBytes + 4 * limits::MiB);
  CHECK(client.sockets.turn() == 0);
  CHECK_FALSE(client.is_gone());
  std::string heard;
  const std::size_t wanted = 400 * (std::string_view{"$100000\r\n"}.size() + value.size() + 2);
  for (int idle = 0; idle < 50 && heard.size() < wanted;) {
    said += client.say(std::string_view{pending}.substr(said));
    client.turns(2);
    const std::string more = client.hear();
    heard += more;
    idle = more.empty() ? idle + 1 : 0;
  }
  CHECK(said == pending.size());
  CHECK((heard == times("$100000\r\n" + value + "\r\n", 400)));
}

TEST_CASE("connection: more than may be owed to a client that never reads closes it") {
  Client client;
  std::vector<ReplyTarget> targets;
  for (int i = 0; i < 20; ++i) targets.push_back(client.connection.lock()->reserve_reply());
  const std::string value = "$10000000\r\n" + std::string(10'000'000, 'v') + "\r\n";
  for (ReplyTarget& target : targets) {
    target.sink->deliver(target.slot, value);
    target = {};
    client.turns(1);
  }
  client.turns();
  CHECK(client.is_gone());
}

TEST_CASE("connection: what it owes when the client goes away keeps nobody") {
  Client client;
  client.say(times("PING x\r\n", 1'000));
  client.socket.reset();
  client.turns();
  CHECK(client.is_gone());
  CHECK(client.facts.connections == 0);
  CHECK(client.facts.commands == 1'000);
}

TEST_CASE("connection: one turn gives each client its share only") {
  Client client;
  const std::string many = times("PING\r\n", 5'000);
  REQUIRE(client.say(many) == many.size());
  client.sockets.turn();
  CHECK(client.facts.commands > 0);
  CHECK(client.facts.commands < 5'000);
  client.turns();
  CHECK(client.facts.commands == 5'000);
}
