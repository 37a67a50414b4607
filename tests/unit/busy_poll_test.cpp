// Looking for a moment before sleeping: when it is tried, and what the loop's Lookout makes of it.
#include <doctest/doctest.h>

#include <chrono>
#include <thread>

#include "common/busy_poll.hpp"
#include "daemon/loop/lookout.hpp"

using namespace peeper;
using namespace peeper::daemon;

namespace {

constexpr BusyPollLimits kAdapts{.ns = 50'000, .adapts = true};

// Waits until the next one that looks.
int waits_left_out(BusyPoll& poll) {
  int waits = 0;
  while (poll.begin() == 0) ++waits;
  return waits;
}

}  // namespace

TEST_CASE("busy poll: looks in vain are tried again after more and more waits, at most 255") {
  BusyPoll poll{kAdapts};
  for (const int expected : {0, 1, 3, 7, 15, 31, 63, 127, 255, 255}) {
    CHECK(waits_left_out(poll) == expected);
    poll.looked_in_vain();
  }
}

TEST_CASE("busy poll: one look that finds something, and the next wait in vain counts as the first") {
  BusyPoll poll{kAdapts};
  for (int i = 0; i < 5; ++i) {
    waits_left_out(poll);
    poll.looked_in_vain();
  }
  waits_left_out(poll);
  poll.found();
  CHECK(poll.begin() == 50'000);
  poll.looked_in_vain();
  CHECK(waits_left_out(poll) == 1);
}

TEST_CASE("busy poll: waits that were short after all bring the next look nearer, long ones don't") {
  BusyPoll brief{kAdapts};
  BusyPoll lengthy{kAdapts};
  for (BusyPoll* poll : {&brief, &lengthy}) {
    poll->was_crowded();
    CHECK(poll->begin() == 0);
  }
  for (int i = 0; i < 10; ++i) {
    brief.slept(99'000);
    lengthy.slept(101'000);
  }
  CHECK(waits_left_out(brief) == 0);
  CHECK(waits_left_out(lengthy) == 62);
}

TEST_CASE("busy poll: a time that is set is kept to, and off is off") {
  BusyPoll fixed{{.ns = 7'000, .adapts = false}};
  BusyPoll off{{.ns = 0, .adapts = false}};
  for (int i = 0; i < 20; ++i) {
    CHECK(fixed.begin() == 7'000);
    fixed.looked_in_vain();
    fixed.was_crowded();
    CHECK(off.begin() == 0);
    off.slept(1);
  }
}

TEST_CASE("busy poll: auto is off where there is one processor only") {
  CHECK(on_processors(kAdapts, 1).ns == 0);
  CHECK(on_processors(kAdapts, 2) == kAdapts);
  const BusyPollLimits fixed{.ns = 7'000, .adapts = false};
  CHECK(on_processors(fixed, 1) == fixed);
}

// --- Lookout -------------------------------------------------------------------------------------

namespace {

// A server with so many calls open, and so many replies that can be seen.
struct FakeServer : Awaited {
  explicit FakeServer(BusyPollLimits limits = {.ns = 200'000, .adapts = false}) : Awaited(limits) {}
  bool awaits_replies() const override { return open > 0; }
  bool has_replies() const override { return ready > 0; }
  void take_replies() override {
    taken += ready;
    open -= ready;
    ready = 0;
    note_reply();
  }
  void bell_on() override {
    bell = true;
    if (ready > 0) take_replies();  // that have come meanwhile
  }
  void bell_off() override { bell = false; }

  int open = 1;
  int ready = 0;
  int taken = 0;
  bool bell = true;
};

// As the loop does, with nothing else to do. False: it may sleep.
bool finds(Lookout& lookout, const FakeServer& server) {
  const int before = server.taken;
  while (lookout.look())
    if (server.taken != before) return true;
  return false;
}

}  // namespace

TEST_CASE("lookout: from the call to its reply the bell is off, and on again after it") {
  TurnClock clock;
  Lookout lookout{clock};
  FakeServer server;
  CHECK(lookout.is_idle());
  lookout.expect(server);
  CHECK(!server.bell);
  CHECK(!lookout.is_idle());
  server.ready = 1;
  CHECK(lookout.look());
  CHECK(server.taken == 1);
  CHECK(server.bell);
  CHECK(lookout.is_idle());
}

TEST_CASE("lookout: what doesn't come in time is left to the bell") {
  TurnClock clock;
  Lookout lookout{clock};
  FakeServer server;
  const auto begin = std::chrono::steady_clock::now();
  lookout.expect(server);
  CHECK(!finds(lookout, server));
  CHECK(std::chrono::steady_clock::now() - begin >= std::chrono::microseconds{200});
  CHECK(server.bell);
  CHECK(!lookout.is_idle());
  // Nothing new is known: no second look, whatever else the loop does.
  server.ready = 1;
  CHECK(!finds(lookout, server));
  CHECK(server.bell);
  // The bell has rung.
  server.take_replies();
  CHECK(!lookout.look());
  CHECK(lookout.is_idle());
}

TEST_CASE("lookout: however long it may look, others have their turn meanwhile") {
  TurnClock clock;
  Lookout lookout{clock};
  FakeServer server{{.ns = 50'000'000, .adapts = false}};
  lookout.expect(server);
  int turns = 0;
  while (lookout.look()) ++turns;
  CHECK(turns > 10);
  CHECK(server.bell);
}

TEST_CASE("lookout: after a reply the next of the open calls is looked for as well") {
  TurnClock clock;
  Lookout lookout{clock};
  FakeServer server;
  server.open = 3;
  lookout.expect(server);
  for (int i = 0; i < 2; ++i) {
    server.ready = 1;
    CHECK(finds(lookout, server));
    CHECK(!server.bell);
  }
  CHECK(!finds(lookout, server));
  CHECK(server.bell);
  server.take_replies();  // nothing: but the bell rang
  server.ready = 1;
  CHECK(finds(lookout, server));
  CHECK(lookout.is_idle());
  CHECK(server.bell);
}

TEST_CASE("lookout: one server's silence doesn't keep another one's reply back") {
  TurnClock clock;
  Lookout lookout{clock};
  FakeServer silent;
  FakeServer quick;
  lookout.expect(silent);
  lookout.expect(quick);
  quick.ready = 1;
  CHECK(finds(lookout, quick));
  CHECK(quick.bell);
  CHECK(!silent.bell);  // it is still being looked at
  CHECK(!finds(lookout, silent));
  CHECK(silent.bell);
}

TEST_CASE("lookout: a reply that comes as the bell is switched on is not left lying") {
  struct Late : FakeServer {
    void bell_on() override {
      ready = 1;
      FakeServer::bell_on();
    }
  };
  TurnClock clock;
  Lookout lookout{clock};
  Late server;
  lookout.expect(server);
  while (lookout.look()) {
  }
  CHECK(server.taken == 1);
  CHECK(server.bell);
}

TEST_CASE("lookout: a server that is off never has its bell switched off") {
  TurnClock clock;
  Lookout lookout{clock};
  FakeServer server{{.ns = 0, .adapts = false}};
  lookout.expect(server);
  CHECK(server.bell);
  server.ready = 1;
  CHECK(!lookout.look());
  CHECK(server.taken == 0);
}

TEST_CASE("lookout: a server that is destroyed is awaited no more") {
  TurnClock clock;
  Lookout lookout{clock};
  {
    FakeServer server;
    lookout.expect(server);
  }
  CHECK(lookout.is_idle());
  CHECK(!lookout.look());
}
