// AsyncClient when the connection or the daemon is lost, late or wrong.
#include <doctest/doctest.h>

#include <boost/asio/io_context.hpp>
#include <cerrno>
#include <optional>
#include <random>

#include "common/client/async_client.hpp"
#include "common/client/connection.hpp"
#include "fake_daemon.hpp"

using namespace peeper;
using namespace peeper::test;
using namespace std::chrono_literals;
namespace asio = boost::asio;
using resp::Reply;

namespace {

ClientOptions impatient(const std::string& socket) {
  return {.socket = socket, .timeout = 20s, .first_pause = 1ms, .longest_pause = 2ms};
}

auto into(std::vector<Result<Reply>>& replies) {
  return [&replies](Result<Reply> reply) { replies.push_back(std::move(reply)); };
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
  asio::io_context io;
  AsyncClient client(io, impatient(daemon.socket()));
  std::vector<Result<Reply>> replies;
  for (int i = 0; i < 3; ++i) client.async_call("counter", "inc", into(replies));
  io.run();
  io.restart();
  client.async_call("counter", "inc", into(replies));
  io.run();
  REQUIRE(replies.size() == 4);
  for (int i = 0; i < 4; ++i) CHECK(as<int>(replies[static_cast<std::size_t>(i)]).value() == i + 1);
  CHECK(model.count() == 4);
  return connections > 1;
}

}  // namespace

TEST_SUITE("async client: faults") {
  TEST_CASE("an asynchronous call survives a daemon that hangs up after any byte it read") {
    std::size_t bytes = 0;
    while (check_cut(Cut::kReading, bytes)) ++bytes;
    MESSAGE("lost after each of " << bytes << " bytes of commands");
    CHECK(bytes > 200);
  }

  TEST_CASE("an asynchronous call survives a daemon that hangs up after any byte it wrote") {
    std::size_t bytes = 0;
    while (check_cut(Cut::kWriting, bytes)) ++bytes;
    MESSAGE("lost after each of " << bytes << " bytes of replies");
    CHECK(bytes >= 32);
  }

  TEST_CASE("connections that are lost at random bytes leave a thousand asynchronous calls exact") {
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random{seed};
    Model model;
    FakeDaemon daemon([&](Peer& peer, int) {
      if (random() % 2 == 0) {
        peer.read_at_most(22 + random() % 2000);
      } else {
        peer.write_at_most(16 + random() % 100);
      }
      model.play(peer);
    });
    asio::io_context io;
    AsyncClient client(io, impatient(daemon.socket()));
    int in_place = 0;
    int asked = 0;
    // 16 at a time; each answer asks again.
    std::function<void()> ask = [&] {
      if (asked == 1000) return;
      client.async_call("counter", "inc", [&, number = ++asked](const Result<Reply>& reply) {
        in_place += as<int>(reply).value() == number ? 1 : 0;
        ask();
      });
    };
    for (int i = 0; i < 16; ++i) ask();
    io.run();
    CHECK(in_place == 1000);
    CHECK(model.count() == 1000);
  }

  TEST_CASE("without a token only what may have arrived fails, the rest is sent again") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 0) return model.play(peer);
      peer.say(model.answer(peer.next_words()));
      model.answer(peer.next_words());
    });
    asio::io_context io;
    ClientOptions options = impatient(daemon.socket());
    options.tokens = Tokens::kNone;
    AsyncClient client(io, options);
    std::vector<Result<Reply>> replies;
    client.async_call("counter", "inc", into(replies));
    client.async_run(Command::call("counter", "inc").token("mine"), into(replies));
    io.run();
    REQUIRE(replies.size() == 2);
    REQUIRE_FALSE(replies[0].has_value());
    CHECK(replies[0].error().system_error == ECONNRESET);
    CHECK(replies[0].error().what.ends_with("with a token it would have been sent again"));
    CHECK(as<int>(replies[1]).value() == 2);
  }

  TEST_CASE("each call has its own timeout, and a late reply is dropped") {
    FakeDaemon daemon([&](Peer& peer, int) {
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      peer.say(":0\r\n");
      peer.next_command();
      peer.next_command();
      // Asked by the handler of the one that was given up.
      peer.next_command();
      peer.say(":1\r\n:2\r\n:3\r\n");
      peer.await_end();
    });
    asio::io_context io;
    ClientOptions options = impatient(daemon.socket());
    options.grace = 10ms;
    AsyncClient client(io, options);
    client.async_call("s", "m", [](const Result<Reply>& reply) { CHECK(reply.has_value()); });
    io.run();
    io.restart();
    std::vector<Result<Reply>> replies;
    client.async_run(Command::call("s", "slow").timeout(20ms), [&](Result<Reply> reply) {
      replies.push_back(std::move(reply));
      client.async_call("s", "m", into(replies));
    });
    client.async_call("s", "m", into(replies));
    io.run();
    REQUIRE(replies.size() == 3);
    REQUIRE_FALSE(replies[0].has_value());
    CHECK(replies[0].error().what ==
          "no answer within 30 ms; the command may or may not have been carried out");
    CHECK(replies[0].error().system_error == ETIMEDOUT);
    CHECK(as<int>(replies[1]).value() == 2);
    CHECK(as<int>(replies[2]).value() == 3);
  }

  TEST_CASE("a daemon that is not there is waited for, as long as the command has time") {
    asio::io_context io;
    ClientOptions options = impatient("/nowhere/peeperd.sock");
    options.grace = 0ms;
    AsyncClient client(io, options);
    std::vector<Result<Reply>> replies;
    client.async_run(Command::call("s", "m").timeout(50ms), into(replies));
    io.run();
    REQUIRE(replies.size() == 1);
    REQUIRE_FALSE(replies[0].has_value());
    CHECK(replies[0].error().system_error == ENOENT);
    CHECK(
        replies[0].error().what ==
        "peeperd did not come back within 50 ms: cannot connect to /nowhere/peeperd.sock: No such "
        "file or directory; is peeperd running?; the command was not carried out");
  }

  TEST_CASE("a daemon that accepts and says nothing times out, and keeps nothing running") {
    FakeDaemon daemon([&](Peer& peer, int) { peer.await_end(); });
    asio::io_context io;
    ClientOptions options = impatient(daemon.socket());
    options.grace = 0ms;
    AsyncClient client(io, options);
    std::vector<Result<Reply>> replies;
    client.async_run(Command::call("s", "m").timeout(20ms), into(replies));
    io.run();
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].error().what == "no answer within 20 ms; the command was not carried out");
  }

  TEST_CASE("a daemon that stops reading times out, and keeps nothing running") {
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 0) return;
      peer.next_command();
      peer.say("%0\r\n");
      std::this_thread::sleep_for(200ms);  // reads nothing while the client waits
      peer.await_end();
    });
    asio::io_context io;
    ClientOptions options = impatient(daemon.socket());
    options.grace = 0ms;
    AsyncClient client(io, options);
    std::vector<Result<Reply>> replies;
    const std::string much(4 * limits::MiB, 'x');
    client.async_run(Command::call("s", "m", much).timeout(50ms), into(replies));
    io.run();
    REQUIRE(replies.size() == 1);
    CHECK(replies[0].error().system_error == ETIMEDOUT);
  }

  TEST_CASE("a path that no socket can have fails at once") {
    asio::io_context io;
    std::vector<Result<Reply>> replies;
    AsyncClient too_long(io, impatient("/" + std::string(200, 'x')));
    AsyncClient empty(io, impatient(""));
    for (int i = 0; i < 2; ++i) too_long.async_call("s", "m", into(replies));
    empty.async_call("s", "m", into(replies));
    io.run_for(10s);
    REQUIRE(replies.size() == 3);
    CHECK(replies[0].error().system_error == ENAMETOOLONG);
    CHECK(replies[1].error().system_error == ENAMETOOLONG);
    CHECK(replies[2].error().system_error == EINVAL);
  }

  TEST_CASE("garbage fails the call it answered, the others are asked again") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 0) return model.play(peer);
      peer.next_command();
      peer.say("%0\r\n");
      peer.next_command();
      peer.say("HTTP/1.1 400 Bad Request\r\n");
      peer.await_end();
    });
    asio::io_context io;
    AsyncClient client(io, impatient(daemon.socket()));
    std::vector<Result<Reply>> replies;
    client.async_call("counter", "inc", into(replies));
    client.async_call("counter", "inc", into(replies));
    io.run();
    REQUIRE(replies.size() == 2);
    CHECK(replies[0].error().system_error == EPROTO);
    CHECK(as<int>(replies[1]).value() == 1);
  }

  TEST_CASE("a daemon with too many clients is tried again") {
    Model model;
    FakeDaemon daemon([&](Peer& peer, int number) {
      if (number > 4) return model.play(peer);
      peer.next_command();
      peer.say("-ERR max number of clients reached\r\n");
    });
    asio::io_context io;
    AsyncClient client(io, impatient(daemon.socket()));
    std::vector<Result<Reply>> replies;
    client.async_call("counter", "inc", into(replies));
    io.run();
    CHECK(as<int>(replies.at(0)).value() == 1);
  }

  TEST_CASE("a daemon whose queue of connections is full is tried again") {
    const TemporaryDirectory directory;
    UniqueFd listener = listen_at(directory.file("s"), 0);
    asio::io_context io;
    // The first takes the only place in the queue.
    const auto first = Connection::connect(directory.file("s"), 50ms);
    REQUIRE(first.has_value());
    ClientOptions options = impatient(directory.file("s"));
    options.grace = 0ms;
    AsyncClient client(io, options);
    std::vector<Result<Reply>> replies;
    client.async_run(Command::call("s", "m").timeout(50ms), into(replies));
    io.run();
    REQUIRE(replies.size() == 1);
    CHECK_FALSE(replies[0].has_value());
    // Once there is room, it gets through.
    Model model;
    std::thread server([&] {
      for (int i = 0; i < 2; ++i) {
        Peer peer{UniqueFd(::accept(listener.get(), nullptr, nullptr))};
        if (i == 1) model.play(peer);
      }
    });
    client.async_call("counter", "inc", [&](Result<Reply> reply) {
      replies.push_back(std::move(reply));
      client.close();
    });
    io.restart();
    io.run();
    server.join();
    CHECK(as<int>(replies.at(1)).value() == 1);
  }
}
