#include "common/client.hpp"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "common/resp/command_parser.hpp"

using peeper::Client;
using peeper::Result;
using peeper::UniqueFd;
using peeper::resp::Reply;
using namespace std::chrono_literals;

namespace {

constexpr auto kLong = 20s;

// The daemon's end of one connection, for a thread that plays the daemon.
class Peer {
 public:
  explicit Peer(UniqueFd socket) : socket_(std::move(socket)) {}

  // The next command's words joined by blanks; "" when the client is gone.
  std::string next_command() {
    peeper::resp::CommandParser parser;
    while (parser.parse(unread_) != peeper::resp::ParseStatus::kCommand) {
      char bytes[4096];
      const ssize_t got = ::read(socket_.get(), bytes, sizeof bytes);
      if (got <= 0) return "";
      unread_.append(bytes, static_cast<std::size_t>(got));
    }
    std::string words;
    for (const std::string_view word : parser.arguments()) {
      words += (words.empty() ? "" : " ") + std::string(word);
    }
    unread_.erase(0, parser.consumed());
    return words;
  }

  // False when the client is gone.
  bool say(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t sent = ::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }

  void hang_up() { socket_.reset(); }

 private:
  UniqueFd socket_;
  std::string unread_;
};

// A client whose other end a thread plays; the thread is joined at the end.
class Played {
 public:
  explicit Played(std::function<void(Peer&)> play) {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    client_ = std::make_unique<Client>(Client::adopt(UniqueFd(ends[0])));
    thread_ = std::thread([end = ends[1], play = std::move(play)] {
      Peer peer{UniqueFd(end)};
      play(peer);
    });
  }
  ~Played() {
    client_.reset();  // a peer that waits for more sees the end
    thread_.join();
  }
  Client& operator*() { return *client_; }
  Client* operator->() { return client_.get(); }

 private:
  std::unique_ptr<Client> client_;
  std::thread thread_;
};

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/peeper-client-test-XXXXXX";
    REQUIRE(::mkdtemp(name) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

UniqueFd listen_at(const std::string& path, int queue = 8) {
  UniqueFd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof address.sun_path - 1);
  REQUIRE(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener.get(), queue) == 0);
  return listener;
}

}  // namespace

TEST_SUITE("client") {
  TEST_CASE("a client connects to a socket by its path, sends a command and gets the reply") {
    const TemporaryDirectory directory;
    const UniqueFd listener = listen_at(directory.file("s"));
    std::thread server([&] {
      Peer peer{UniqueFd(::accept(listener.get(), nullptr, nullptr))};
      peer.say(peer.next_command() == "CALL counter get" ? ":42\r\n" : "-ERR what?\r\n");
    });
    Result<Client> client = Client::connect(directory.file("s"));
    const bool connected = client.has_value();
    if (!connected) ::shutdown(listener.get(), SHUT_RDWR);
    const Result<Reply> reply =
        connected ? client->command({"CALL", "counter", "get"}, kLong) : client.error();
    server.join();
    REQUIRE(reply.has_value());
    CHECK(reply->integer == 42);
  }

  TEST_CASE("a socket that is not there is named, with a hint") {
    const Result<Client> client = Client::connect("/nowhere/peeperd.sock");
    REQUIRE_FALSE(client.has_value());
    CHECK(
        client.error().what ==
        "cannot connect to /nowhere/peeperd.sock: No such file or directory; is peeperd running?");
    CHECK(client.error().system_error == ENOENT);
  }

  TEST_CASE("a socket nobody listens at is refused, with a hint") {
    const TemporaryDirectory directory;
    { const UniqueFd listener = listen_at(directory.file("s")); }
    const Result<Client> client = Client::connect(directory.file("s"));
    REQUIRE_FALSE(client.has_value());
    CHECK(client.error().system_error == ECONNREFUSED);
    CHECK(client.error().what.ends_with("Connection refused; is peeperd running?"));
  }

  TEST_CASE("a path no socket can have is its own error") {
    const Result<Client> client = Client::connect("/" + std::string(107, 'x'));
    REQUIRE_FALSE(client.has_value());
    CHECK(client.error().system_error == ENAMETOOLONG);
    CHECK(client.error().what.ends_with(": the path has 108 bytes, a socket's path may have 107"));
    CHECK(Client::connect("").error().system_error == EINVAL);
    CHECK(Client::connect("/" + std::string(106, 'x')).error().system_error == ENOENT);
  }

  TEST_CASE("a daemon whose queue of connections is full is waited for, but not for ever") {
    const TemporaryDirectory directory;
    const UniqueFd listener = listen_at(directory.file("s"), 0);
    const Result<Client> first = Client::connect(directory.file("s"), 50ms);
    REQUIRE(first.has_value());
    const Result<Client> second = Client::connect(directory.file("s"), 50ms);
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
    Client stuck = Client::adopt(UniqueFd(ends[0]));
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
    Client client = Client::adopt(UniqueFd(ends[0]));
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
