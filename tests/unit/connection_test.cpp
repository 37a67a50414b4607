#include "common/client/connection.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "fake_daemon.hpp"

using peeper::Connection;
using peeper::Result;
using peeper::UniqueFd;
using peeper::resp::Reply;
using peeper::test::listen_at;
using peeper::test::Peer;
using peeper::test::TemporaryDirectory;
using namespace std::chrono_literals;

namespace {

constexpr auto kLong = 20s;

// A client whose other end a thread plays; the thread is joined at the end.
class Played {
 public:
  explicit Played(std::function<void(Peer&)> play) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    client_ = std::make_unique<Connection>(Connection::adopt(UniqueFd(ends[0])));
    thread_ = std::thread([end = ends[1], play = std::move(play)] {
      Peer peer{UniqueFd(end)};
      play(peer);
    });
  }
  ~Played() {
    client_.reset();  // a peer that waits for more sees the end
    thread_.join();
  }
  Connection& operator*() { return *client_; }
  Connection* operator->() { return client_.get(); }

 private:
  std::unique_ptr<Connection> client_;
  std::thread thread_;
};

}  // namespace

TEST_SUITE("connection") {
  TEST_CASE("a client connects to a socket by its path, sends a command and gets the reply") {
    const TemporaryDirectory directory;
    const UniqueFd listener = listen_at(directory.file("s"));
    std::thread server([&] {
      Peer peer{UniqueFd(::accept(listener.get(), nullptr, nullptr))};
      peer.say(peer.next_command() == "CALL counter get" ? ":42\r\n" : "-ERR what?\r\n");
    });
    Result<Connection> client = Connection::connect(directory.file("s"));
    const bool connected = client.has_value();
    if (!connected) ::shutdown(listener.get(), SHUT_RDWR);
    const Result<Reply> reply =
        connected ? client->command({"CALL", "counter", "get"}, kLong) : client.error();
    server.join();
    REQUIRE(reply.has_value());
    CHECK(reply->integer == 42);
  }

  TEST_CASE("a socket that is not there is named, with a hint") {
    const Result<Connection> client = Connection::connect("/nowhere/peeperd.sock");
    REQUIRE_FALSE(client.has_value());
    CHECK(
        client.error().what ==
        "cannot connect to /nowhere/peeperd.sock: No such file or directory; is peeperd running?");
    CHECK(client.error().system_error == ENOENT);
  }

  TEST_CASE("a socket nobody listens at is refused, with a hint") {
    const TemporaryDirectory directory;
    { const UniqueFd listener = listen_at(directory.file("s")); }
    const Result<Connection> client = Connection::connect(directory.file("s"));
    REQUIRE_FALSE(client.has_value());
    CHECK(client.error().system_error == ECONNREFUSED);
    CHECK(client.error().what.ends_with("Connection refused; is peeperd running?"));
  }

  TEST_CASE("a path no socket can have is its own error") {
    const Result<Connection> client = Connection::connect("/" + std::string(107, 'x'));
    REQUIRE_FALSE(client.has_value());
    CHECK(client.error().system_error == ENAMETOOLONG);
    CHECK(client.error().what.ends_with(": the path has 108 bytes, a socket's path may have 107"));
    CHECK(Connection::connect("").error().system_error == EINVAL);
    CHECK(Connection::connect("/" + std::string(106, 'x')).error().system_error == ENOENT);
  }

  TEST_CASE("a daemon whose queue of connections is full is waited for, but not for ever") {
    const TemporaryDirectory directory;
    const UniqueFd listener = listen_at(directory.file("s"), 0);
    const Result<Connection> first = Connection::connect(directory.file("s"), 50ms);
    REQUIRE(first.has_value());
    const Result<Connection> second = Connection::connect(directory.file("s"), 50ms);
    REQUIRE_FALSE(second.has_value());
    CHECK(second.error().system_error == ETIMEDOUT);
  }

  TEST_CASE("a reply may arrive byte by byte") {
    Played client([](Peer& peer) {
      peer.next_command();
      const std::string reply = "%1\r\n$1\r\nk\r\n*2\r\n:1\r\n#t\r\n";
      for (const char byte : reply) peer.say({&byte, 1});
    });
    const Result<Reply> reply = client->command({"SYS", "GET_STATUS", "counter"}, kLong);
    REQUIRE(reply.has_value());
    REQUIRE(reply->field("k") != nullptr);
    CHECK(reply->field("k")->elements.size() == 2);
  }

  TEST_CASE("replies to pipelined commands come in order") {
    Played client([](Peer& peer) {
      std::string word;
      while (!(word = peer.next_command()).empty()) peer.say("+" + word + "\r\n");
    });
    for (int i = 0; i < 100; ++i) REQUIRE(client->send({std::to_string(i)}).has_value());
    for (int i = 0; i < 100; ++i) {
      const Result<Reply> reply = client->receive(kLong);
      REQUIRE(reply.has_value());
      CHECK(reply->text == std::to_string(i));
    }
  }

  TEST_CASE("a long pipeline does not lock up with a daemon that answers as it reads") {
    Played client([](Peer& peer) {
      std::string word;
      while (!(word = peer.next_command()).empty()) peer.say("+" + word + "\r\n");
    });
    const std::string word(3000, 'w');
    for (int i = 0; i < 1000; ++i) REQUIRE(client->send({word}, kLong).has_value());
    int received = 0;
    for (int i = 0; i < 1000; ++i) received += client->receive(kLong)->text == word ? 1 : 0;
    CHECK(received == 1000);
  }

  TEST_CASE(
      "an answer that does not come in time is ETIMEDOUT, and is dropped when it comes late") {
    Played client([](Peer& peer) {
      peer.next_command();
      peer.next_command();
      peer.say("+late\r\n+second\r\n");
    });
    const Result<Reply> first = client->command({"first"}, 10ms);
    REQUIRE_FALSE(first.has_value());
    CHECK(first.error().system_error == ETIMEDOUT);
    const Result<Reply> second = client->command({"second"}, kLong);
    REQUIRE(second.has_value());
    CHECK(second->text == "second");
  }

  TEST_CASE("bytes that keep trickling in do not put off the timeout") {
    Played client([](Peer& peer) {
      peer.next_command();
      peer.say("*1000000000\r\n");
      while (peer.say(":1\r\n")) {
      }
    });
    const Result<Reply> reply = client->command({"x"}, 50ms);
    REQUIRE_FALSE(reply.has_value());
    CHECK(reply.error().system_error == ETIMEDOUT);
  }

  TEST_CASE("a command nobody reads times out and closes the connection") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    const UniqueFd deaf(ends[1]);
    Connection stuck = Connection::adopt(UniqueFd(ends[0]));
    const std::string much(16 * peeper::limits::MiB, 'x');
    const Result<Reply> reply = stuck.command({much}, 10ms);
    REQUIRE_FALSE(reply.has_value());
    CHECK(reply.error().system_error == ETIMEDOUT);
    CHECK(stuck.command({"PING"}, 10ms).error().system_error == ENOTCONN);
    CHECK(stuck.receive(10ms).error().system_error == ENOTCONN);
  }

  TEST_CASE("a daemon that hangs up is ECONNRESET or EPIPE") {
    Played client([](Peer& peer) {
      peer.next_command();
      peer.say("$10\r\nhalf");
      peer.hang_up();
    });
    const Result<Reply> reply = client->command({"x"}, kLong);
    REQUIRE_FALSE(reply.has_value());
    CHECK(reply.error().system_error == ECONNRESET);
    const Result<Reply> after = client->command({"x"}, kLong);
    REQUIRE_FALSE(after.has_value());
    CHECK((after.error().system_error == EPIPE || after.error().system_error == ECONNRESET));
  }

  TEST_CASE("what the daemon said before it hung up is heard") {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    Connection client = Connection::adopt(UniqueFd(ends[0]));
    Peer peer{UniqueFd(ends[1])};
    peer.say("-ERR max number of clients reached\r\n");
    peer.hang_up();
    const Result<Reply> reply = client.command({"PING"}, kLong);
    REQUIRE(reply.has_value());
    CHECK(reply->text == "ERR max number of clients reached");
  }

  TEST_CASE("garbage in place of a reply is EPROTO and ends the connection") {
    Played client([](Peer& peer) {
      peer.next_command();
      peer.say("HTTP/1.1 200 OK\r\n");
    });
    const Result<Reply> reply = client->command({"x"}, kLong);
    REQUIRE_FALSE(reply.has_value());
    CHECK(reply.error().system_error == EPROTO);
    CHECK(client->command({"x"}, kLong).error().system_error == ENOTCONN);
  }

  TEST_CASE("pushes are passed over by command and given by receive") {
    Played client([](Peer& peer) {
      peer.say(">1\r\n+early\r\n");
      peer.next_command();
      peer.say(">1\r\n+between\r\n+OK\r\n>1\r\n+after\r\n");
    });
    CHECK(client->receive(kLong)->elements[0].text == "early");
    CHECK(client->command({"x"}, kLong)->text == "OK");
    const Result<Reply> push = client->receive(kLong);
    REQUIRE(push.has_value());
    CHECK(push->type == Reply::Type::kPush);
    CHECK(push->elements[0].text == "after");
  }

  TEST_CASE("hello asks for a protocol and raw bytes are sent as they are") {
    Played client([](Peer& peer) {
      peer.say("+" + peer.next_command() + "\r\n");
      peer.say("+" + peer.next_command() + "\r\n");
    });
    CHECK(client->hello(3)->text == "HELLO 3");
    REQUIRE(client->send_raw("PING 'a b'\r\n").has_value());
    CHECK(client->receive(kLong)->text == "PING a b");
  }

  TEST_CASE("an error reply is a reply") {
    Played client([](Peer& peer) {
      peer.next_command();
      peer.say("-CRASHED counter: SIGSEGV at 0x0 in 'boom'\r\n");
    });
    const Result<Reply> reply = client->command({"CALL", "counter", "boom"}, kLong);
    REQUIRE(reply.has_value());
    CHECK(reply->is_error());
    CHECK(reply->text == "CRASHED counter: SIGSEGV at 0x0 in 'boom'");
  }
}
