// Lanes and loads, against the other end of a socket pair or a daemon by script.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "common/load/load.hpp"
#include "common/load/socket_lane.hpp"
#include "fake_daemon.hpp"

using namespace peeper;
using namespace peeper::load;
using namespace peeper::test;
using namespace std::chrono_literals;

namespace {

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;
};

Pair socket_pair() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

std::shared_ptr<const Request> request(std::string bytes) {
  return std::make_shared<const Request>(std::move(bytes));
}

struct Seen final : Lane::Answers {
  std::vector<std::string> errors;  // an empty one for each answer that is none
  void answered(std::string_view error) override { errors.emplace_back(error); }
};

void write_all(const UniqueFd& socket, std::string_view bytes) {
  REQUIRE(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(bytes.size()));
}

// All that is there now.
std::string read_some(const UniqueFd& socket) {
  std::string bytes(1 << 20, '\0');
  const ssize_t got = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
  bytes.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return bytes;
}

// The lane's other end answers each of so many commands with `reply`, then hangs up.
Tally tally_of(const Load& load, const std::string& reply, int answers) {
  FakeDaemon daemon([&](Peer& peer, int) {
    for (int i = 0; i < answers && !peer.next_words().empty(); ++i) peer.say(reply);
    if (reply.empty()) peer.await_end();
  });
  std::vector<std::unique_ptr<Lane>> lanes;
  lanes.push_back(*SocketLane::connect(daemon.socket(), request("*1\r\n$4\r\nPING\r\n"), 5s));
  auto crowd = Crowd::gather(std::move(lanes));
  REQUIRE(crowd.has_value());
  return carry(*crowd, load);
}

}  // namespace

TEST_SUITE("load") {
  TEST_CASE("answers are counted wherever the bytes are cut") {
    const std::string bytes =
        "+OK\r\n:12\r\n-CRASHED c: SIGSEGV\r\n$3\r\na\r\n\r\n*2\r\n$1\r\n-\r\n:1\r\n-\r\n";
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      CAPTURE(cut);
      Pair pair = socket_pair();
      SocketLane lane(std::move(pair.ours), request("x"));
      Seen seen;
      if (cut > 0) write_all(pair.theirs, bytes.substr(0, cut));
      REQUIRE(lane.take(seen).has_value());
      if (cut < bytes.size()) write_all(pair.theirs, bytes.substr(cut));
      REQUIRE(lane.take(seen).has_value());
      CHECK(seen.errors == std::vector<std::string>{"", "", "CRASHED c: SIGSEGV", "", "",
                                                    "(an error without a text)"});
    }
  }

  TEST_CASE("what the socket has no room for is sent later, whole and in order") {
    std::string one = "head";
    for (int i = 0; i < 50'000; ++i) one += static_cast<char>('a' + i % 23);
    Pair pair = socket_pair();
    SocketLane lane(std::move(pair.ours), request(one));
    constexpr std::size_t kCount = 100;
    REQUIRE(lane.send(kCount).has_value());
    REQUIRE(lane.is_full());
    std::string received;
    std::string wanted;
    for (std::size_t i = 0; i < kCount; ++i) wanted += one;
    while (lane.is_full()) {
      received += read_some(pair.theirs);
      REQUIRE(lane.flush().has_value());
    }
    while (received.size() < wanted.size()) received += read_some(pair.theirs);
    const bool is_same = received == wanted;  // five megabytes are not to be printed
    CHECK(is_same);
  }

  TEST_CASE("small requests leave in one piece") {
    Pair pair = socket_pair();
    SocketLane lane(std::move(pair.ours), request("abc"));
    REQUIRE(lane.send(3).has_value());
    CHECK(!lane.is_full());
    CHECK(read_some(pair.theirs) == "abcabcabc");
  }

  TEST_CASE("the end of a connection and what is no RESP are failures") {
    Pair pair = socket_pair();
    SocketLane lane(std::move(pair.ours), request("x"));
    Seen seen;
    write_all(pair.theirs, "+OK\r\n");
    pair.theirs.reset();
    CHECK(lane.send(1).has_value());  // told when it is taken
    REQUIRE(lane.take(seen).has_value());
    const Result<void> closed = lane.take(seen);
    REQUIRE(!closed.has_value());
    CHECK(closed.error().system_error == ECONNRESET);
    CHECK(seen.errors.size() == 1);

    Pair other = socket_pair();
    SocketLane misled(std::move(other.ours), request("x"));
    write_all(other.theirs, "HTTP/1.1 400\r\n");
    const Result<void> malformed = misled.take(seen);
    REQUIRE(!malformed.has_value());
    CHECK(malformed.error().system_error == EPROTO);
  }

  TEST_CASE("a load ends with its last answer, and counts the errors") {
    const Tally tally = tally_of({.pipeline = 7, .requests = 100}, "-NO reason\r\n", 100);
    CHECK(!tally.failure);
    CHECK(tally.answers() == 100);
    CHECK(tally.of_lane == std::vector<std::uint64_t>{100});
    CHECK(tally.errors == 100);
    CHECK(tally.first_error == "NO reason");
    CHECK(tally.time > 0ns);
    CHECK(tally.latencies.most() <= static_cast<std::uint64_t>(tally.time.count()));
  }

  TEST_CASE("a load ends with its time") {
    const Tally tally = tally_of({.pipeline = 2, .time = 30ms}, ":1\r\n", 1'000'000'000);
    CHECK(!tally.failure);
    CHECK(tally.answers() > 0);
    CHECK(tally.time >= 20ms);
  }

  TEST_CASE("a connection that ends, ends the load, what was answered stays counted") {
    const Tally tally = tally_of({.pipeline = 1, .requests = 100}, ":1\r\n", 30);
    REQUIRE(tally.failure.has_value());
    CHECK(tally.failure->system_error == ECONNRESET);
    CHECK(tally.answers() == 30);
  }

  TEST_CASE("a request without an answer ends the load when patience does") {
    const Tally tally = tally_of({.requests = 3, .patience = 50ms}, "", 3);
    REQUIRE(tally.failure.has_value());
    CHECK(tally.failure->system_error == ETIMEDOUT);
    CHECK(tally.answers() == 0);
  }

  TEST_CASE("an answer that nobody asked for ends the load") {
    const Tally tally = tally_of({.requests = 3}, ":1\r\n:2\r\n", 3);
    REQUIRE(tally.failure.has_value());
    CHECK(tally.failure->system_error == EPROTO);
  }
}
