// Sockets: who is told, when, and that anybody may leave in the middle of it.
#include <doctest/doctest.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <functional>

#include "common/unique_fd.hpp"
#include "daemon/loop/sockets.hpp"

using namespace peeper;
using daemon::Sockets;

namespace {

struct Pair {
  UniqueFd ours;
  UniqueFd theirs;

  Pair() {
    std::array<int, 2> fds{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds.data()) == 0);
    ours.reset(fds[0]);
    theirs.reset(fds[1]);
  }
  void say(std::string_view text) const {
    REQUIRE(::send(theirs.get(), text.data(), text.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(text.size()));
  }
};

struct User : Sockets::User {
  User(Sockets& sockets, int fd) { join(sockets, fd); }
  void on_ready(std::uint32_t what) override {
    told = what;
    ++times_told;
    if (when_told) when_told();
  }
  void settle() override {
    ++times_settled;
    if (when_settled) when_settled();
  }
  using Sockets::User::ask_for;
  using Sockets::User::leave;
  using Sockets::User::settle_soon;

  std::uint32_t told = 0;
  int times_told = 0;
  int times_settled = 0;
  std::function<void()> when_told;
  std::function<void()> when_settled;
};

}  // namespace

TEST_CASE("sockets: what was not read is told again in the next turn") {
  daemon::TurnClock clock;
  Sockets sockets{clock};
  const Pair pair;
  User user{sockets, pair.ours.get()};
  REQUIRE(user.ask_for(Sockets::kReadable));
  CHECK(sockets.turn() == 0);
  pair.say("x");
  CHECK(sockets.turn() == 1);
  CHECK(sockets.turn() == 1);
  CHECK(user.times_told == 2);
  CHECK(user.told == Sockets::kReadable);
  char byte = 0;
  REQUIRE(::recv(pair.ours.get(), &byte, 1, 0) == 1);
  CHECK(sockets.turn() == 0);
}

TEST_CASE("sockets: a bell is told each time it rings and needs no reading") {
  daemon::TurnClock clock;
  Sockets sockets{clock};
  const UniqueFd bell{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
  User user{sockets, bell.get()};
  REQUIRE(user.ask_for(Sockets::kReadable | Sockets::kEachTime));
  for (int rings = 1; rings <= 3; ++rings) {
    REQUIRE(::eventfd_write(bell.get(), 1) == 0);
    CHECK(sockets.turn() == 1);
    CHECK(sockets.turn() == 0);
    CHECK(user.times_told == rings);
  }
}

TEST_CASE("sockets: who asks for nothing is not told of a hang-up either") {
  daemon::TurnClock clock;
  Sockets sockets{clock};
  Pair pair;
  User user{sockets, pair.ours.get()};
  REQUIRE(user.ask_for(Sockets::kReadable));
  REQUIRE(user.ask_for(0));
  pair.theirs.reset();
  CHECK(sockets.turn() == 0);
  REQUIRE(user.ask_for(Sockets::kWritable));
  CHECK(sockets.turn() == 1);
  CHECK((user.told & ~Sockets::kReadable) != 0);
}

TEST_CASE("sockets: a user that another one ends in the same turn is not told any more") {
  for (const bool destroyed : {false, true}) {
    CAPTURE(destroyed);
    daemon::TurnClock clock;
    Sockets sockets{clock};
    const std::array<Pair, 3> pairs;
    std::array<std::unique_ptr<User>, 3> users;
    for (std::size_t i = 0; i < 3; ++i) {
      users[i] = std::make_unique<User>(sockets, pairs[i].ours.get());
      REQUIRE(users[i]->ask_for(Sockets::kReadable));
      pairs[i].say("x");
    }
    int told = 0;
    for (std::size_t i = 0; i < 3; ++i)
      users[i]->when_told = [&, i] {
        ++told;
        for (std::size_t other = 0; other < 3; ++other) {
          if (other == i) continue;
          if (destroyed)
            users[other].reset();
          else
            users[other]->leave();
        }
      };
    CHECK(sockets.turn() == 3);
    CHECK(told == 1);
    CHECK(sockets.turn() == 1);
  }
}

TEST_CASE("sockets: who settles does so once a turn, and asks again for the next one only") {
  daemon::TurnClock clock;
  Sockets sockets{clock};
  User first{sockets, -1};
  User second{sockets, -1};
  CHECK_FALSE(sockets.settle());
  first.settle_soon();
  first.settle_soon();
  first.when_settled = [&] { first.settle_soon(); };
  second.settle_soon();
  CHECK(sockets.settle());
  CHECK(first.times_settled == 1);
  CHECK(second.times_settled == 1);
  CHECK(sockets.settle());
  CHECK(first.times_settled == 2);
  CHECK(second.times_settled == 1);
}

TEST_CASE("sockets: who has left before it could settle is not asked to") {
  daemon::TurnClock clock;
  Sockets sockets{clock};
  User first{sockets, -1};
  auto second = std::make_unique<User>(sockets, -1);
  first.settle_soon();
  second->settle_soon();
  first.when_settled = [&] { second.reset(); };
  CHECK(sockets.settle());
  CHECK(first.times_settled == 1);
  CHECK_FALSE(sockets.settle());
}

TEST_CASE("sockets: what is buried lives until the next settling") {
  daemon::TurnClock clock;
  Sockets sockets{clock};
  auto body = std::make_shared<int>(1);
  const std::weak_ptr<int> soul = body;
  sockets.bury(std::move(body));
  CHECK_FALSE(soul.expired());
  sockets.settle();
  CHECK(soul.expired());
}
