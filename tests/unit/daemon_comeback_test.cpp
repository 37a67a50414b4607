// The lifecycle of a server that is held, stopped, down, or comes back.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <utility>
#include <vector>

#include "daemon/supervision/lifecycle.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;
using config::AutoShutdown;
using config::Restart;
using config::Strategy;

namespace {

using Do = std::vector<Action>;
using enum EventType;

struct Server {
  Lifecycle life;
  Instant now{};

  explicit Server(LifePolicy policy) : life(policy) {}
  Do on(Event event) {
    const Actions actions = on_event(life, event, now);
    return {actions.begin(), actions.end()};
  }
  void bring_up() {
    REQUIRE(on({kStart}) == Do{Action::kLaunchKeeper});
    REQUIRE(on({kKeeperAttached}) == Do{Action::kAskRecovery});
    REQUIRE(on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
    REQUIRE(on({kWorkerReady}).empty());
  }
  // With one restart too many.
  void take_down() {
    REQUIRE(on({kWorkerDied}) == Do{Action::kAskRecovery});
    REQUIRE(on({kKeeperRecovered}) == Do{Action::kStopKeeper});
    REQUIRE(on({kKeeperDied}) == Do{Action::kAnnounceDown, Action::kWaitForComeback});
  }
};

LifePolicy policy(Strategy strategy = Strategy::kOneForOne, std::uint32_t max_restarts = 0,
                  Restart restart = Restart::kPermanent,
                  AutoShutdown auto_shutdown = AutoShutdown::kNever) {
  return {.restart = restart,
          .supervisor = {strategy, max_restarts, std::chrono::seconds{5}, auto_shutdown},
          .retry = {1s, 5min},
          .asks = false,
                    .may_begin_anew = false};
}

}  // namespace

TEST_CASE("comeback: a server that is down tries again, later each time, and is down until ready") {
  Server server{policy()};
  server.bring_up();
  for (const auto delay : {1s, 2s, 4s, 8s}) {
    server.take_down();
    CHECK(server.life.comeback_delay == delay);
    CHECK(server.life.is_down());
    CHECK(server.on({kComeBack}) == Do{Action::kLaunchKeeper});
    CHECK(server.on({kKeeperAttached}) == Do{Action::kAskRecovery});
    CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
    CHECK(server.life.is_down());
    CHECK(server.life.down_reason == DownReason::kIntensity);
    CHECK(server.on({kWorkerReady}) == Do{Action::kAnnounceBack});
    CHECK_FALSE(server.life.is_down());
    CHECK(server.life.down_reason == DownReason::kNone);
    server.now += 59s;
  }
}

TEST_CASE("comeback: after a healthy minute the pauses begin anew") {
  Server server{policy()};
  server.bring_up();
  server.life.comebacks = 7;
  server.now += 60s;
  server.take_down();
  CHECK(server.life.comeback_delay == 1s);
}

TEST_CASE("comeback: not where retry_delay is never, nor of a temporary server") {
  for (const bool never : {true, false}) {
    LifePolicy its = policy(Strategy::kOneForOne, 0,
                            never ? Restart::kPermanent : Restart::kTemporary,
                            AutoShutdown::kAnySignificant);
    if (never) its.retry = {std::nullopt, {}};
    Server server{its};
    server.bring_up();
    CHECK(server.on({kWorkerDied}) == Do{Action::kAskRecovery});
    CHECK(server.on({kKeeperRecovered}) == Do{Action::kStopKeeper});
    CHECK(server.on({kKeeperDied}) == Do{Action::kAnnounceDown});
    CHECK(server.on({kComeBack}).empty());
  }
}

TEST_CASE("comeback: a refusal, or a keeper that fails, is tried again too") {
  Server server{policy()};
  (void)server.on({kStart});
  (void)server.on({kKeeperFailed});
  CHECK(server.on({kKeeperDied}) == Do{Action::kAnnounceDown, Action::kWaitForComeback});
  CHECK(server.on({kComeBack}) == Do{Action::kLaunchKeeper});
  (void)server.on({kKeeperFailed});
  CHECK(server.on({kKeeperDied}) == Do{Action::kAnnounceDown, Action::kWaitForComeback});
  CHECK(server.life.comeback_delay == 2s);
}

TEST_CASE("comeback: an order to start doesn't wait for the pause, and forgets the pauses") {
  Server server{policy()};
  server.bring_up();
  server.take_down();
  CHECK(server.on({kStart}) == Do{Action::kLaunchKeeper});
  CHECK_FALSE(server.life.is_down());
  CHECK(server.on({kComeBack}).empty());
  CHECK(server.life.comebacks == 0);
}

TEST_CASE("comeback: under a strategy the supervision is asked") {
  LifePolicy its = policy();
  its.asks = true;
  Server server{its};
  server.bring_up();
  server.take_down();
  CHECK(server.on({kComeBack}) == Do{Action::kAskSupervision});
  CHECK(server.life.goal == Goal::kDown);
}

TEST_CASE("hold: a crash waits for its siblings, and is recovered meanwhile") {
  LifePolicy its = policy(Strategy::kOneForOne, 3);
  its.asks = true;
  Server server{its};
  server.bring_up();
  CHECK(server.on({kWorkerDied}) == Do{Action::kAskSupervision, Action::kAskRecovery});
  CHECK(server.life.goal == Goal::kHold);
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kAnnounceHeld});
  CHECK(server.on({kRelease}) == Do{Action::kLaunchWorker});
}

TEST_CASE("hold: a sibling ends in order, keeps its keeper, and counts nothing") {
  Server server{policy()};
  server.bring_up();
  CHECK(server.on({kHold}) == Do{Action::kStopWorker});
  CHECK(server.on({kWorkerDied, false, true}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kAnnounceHeld});
  CHECK(server.on({kRelease}) == Do{Action::kLaunchWorker});
  CHECK(server.on({kWorkerReady}).empty());
  // If it doesn't end, and is killed, that is no crash either.
  CHECK(server.on({kHold}) == Do{Action::kStopWorker});
  CHECK(server.on({kWorkerTimeout}) == Do{Action::kKillWorker});
  CHECK(server.on({kWorkerDied}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kAnnounceHeld});
}

TEST_CASE("hold: a keeper that dies meanwhile is replaced first") {
  Server server{policy(Strategy::kOneForOne, 1)};
  server.bring_up();
  CHECK(server.on({kHold}) == Do{Action::kStopWorker});
  CHECK(server.on({kKeeperDied}).empty());
  CHECK(server.on({kWorkerDied, false, true}) == Do{Action::kLaunchKeeper});
  CHECK(server.on({kKeeperAttached}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kAnnounceHeld});
}

TEST_CASE("terminate: in order, then down until it is started, and not by itself") {
  Server server{policy()};
  server.bring_up();
  CHECK(server.on({kTerminate}) == Do{Action::kStopWorker});
  CHECK(server.on({kWorkerDied, false, true}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kStopKeeper});
  CHECK(server.on({kKeeperDied}) == Do{Action::kAnnounceDown});
  CHECK(server.life.down_reason == DownReason::kTerminated);
  CHECK(server.on({kComeBack}).empty());
  CHECK(server.on({kTerminate}) == Do{Action::kAnnounceDown});
  CHECK(server.on({kStart}) == Do{Action::kLaunchKeeper});
}

TEST_CASE("terminate: a start while it still ends waits for that, and counts no restart") {
  Server server{policy()};
  server.bring_up();
  CHECK(server.on({kTerminate}) == Do{Action::kStopWorker});
  CHECK(server.on({kStart}).empty());
  CHECK(server.on({kWorkerDied, false, true}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
  CHECK(server.on({kTerminate}) == Do{Action::kStopWorker});
  CHECK(server.on({kWorkerDied, false, true}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kStopKeeper});
  CHECK(server.on({kStart}).empty());
  CHECK(server.on({kKeeperDied}) == Do{Action::kLaunchKeeper});
  CHECK(server.life.goal == Goal::kRun);
}

TEST_CASE("inner strategy: rest_for_one renews the worker with its keeper, not the other way") {
  Server server{policy(Strategy::kRestForOne, 2)};
  server.bring_up();
  CHECK(server.on({kWorkerDied}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
  CHECK(server.on({kWorkerReady}).empty());
  CHECK(server.on({kKeeperDied}) == Do{Action::kStopWorker});
  CHECK(server.on({kWorkerDied, false, true}) == Do{Action::kLaunchKeeper});
  CHECK(server.on({kKeeperAttached}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
}

TEST_CASE("inner strategy: one_for_all renews the keeper with its worker, and the other way") {
  Server server{policy(Strategy::kOneForAll, 2)};
  server.bring_up();
  CHECK(server.on({kWorkerDied}) == Do{Action::kStopKeeper});
  CHECK(server.on({kKeeperDied}) == Do{Action::kLaunchKeeper});
  CHECK(server.on({kKeeperAttached}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
  CHECK(server.on({kWorkerReady}).empty());
  CHECK(server.on({kKeeperDied}) == Do{Action::kStopWorker});
  CHECK(server.on({kWorkerDied, false, true}) == Do{Action::kLaunchKeeper});
}

TEST_CASE("inner auto_shutdown: never keeps the keeper when the worker has ended, the others not") {
  for (const AutoShutdown how :
       {AutoShutdown::kNever, AutoShutdown::kAnySignificant, AutoShutdown::kAllSignificant}) {
    Server server{policy(Strategy::kOneForOne, 1, Restart::kTransient, how)};
    server.bring_up();
    CHECK(server.on({kWorkerDied, false, true}) == Do{Action::kAskRecovery});
    if (how != AutoShutdown::kNever) {
      CHECK(server.on({kKeeperRecovered}) == Do{Action::kStopKeeper});
      CHECK(server.on({kKeeperDied}) == Do{Action::kAnnounceDown});
      continue;
    }
    CHECK(server.on({kKeeperRecovered}) == Do{Action::kAnnounceDown});
    // It is replaced as long as the intensity allows.
    CHECK(server.on({kKeeperDied}) == Do{Action::kLaunchKeeper});
    CHECK(server.on({kKeeperAttached}).empty());
    CHECK(server.on({kKeeperDied}).empty());
    CHECK(server.life.down_reason == DownReason::kIntensity);
    CHECK(server.on({kStart}) == Do{Action::kLaunchKeeper});
  }
}

TEST_CASE("crash loop: init begins anew once, only if allowed, and then the server is down") {
  for (const bool allowed : {true, false}) {
    LifePolicy its = policy(Strategy::kOneForOne, 1);
    its.may_begin_anew = allowed;
    Server server{its};
    server.bring_up();
    CHECK(server.on({kWorkerDied}) == Do{Action::kAskRecovery});
    CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
    CHECK(server.on({kWorkerDied}) == Do{Action::kAskRecovery});
    CHECK(server.life.begins_anew == allowed);
    if (allowed) {
      CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
      CHECK_FALSE(server.life.begins_anew);
      CHECK(server.on({kWorkerDied}) == Do{Action::kAskRecovery});
      CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
      CHECK(server.on({kWorkerDied}) == Do{Action::kAskRecovery});
      CHECK_FALSE(server.life.begins_anew);
    }
    CHECK(server.on({kKeeperRecovered}) == Do{Action::kStopKeeper});
    CHECK(server.life.down_reason == DownReason::kIntensity);
  }
}

TEST_CASE("crash loop: one message that was handled in between is no loop, and the state stays") {
  LifePolicy its = policy(Strategy::kOneForOne, 2);
  its.may_begin_anew = true;
  Server server{its};
  server.bring_up();
  for (int i = 0; i < 3; ++i) {
    CHECK(server.on({.type = kWorkerDied, .progressed = i == 1}) == Do{Action::kAskRecovery});
    CHECK_FALSE(server.life.begins_anew);
    if (i < 2) CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
  }
  CHECK(server.life.down_reason == DownReason::kIntensity);
}

TEST_CASE("crash loop: a keeper that dies before it could begin anew leaves that to the next one") {
  LifePolicy its = policy(Strategy::kOneForOne, 1);
  its.may_begin_anew = true;
  Server server{its};
  server.bring_up();
  CHECK(server.on({kWorkerDied}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
  CHECK(server.on({kWorkerDied}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperDied}) == Do{Action::kLaunchKeeper});
  CHECK(server.life.begins_anew);
  CHECK(server.on({kKeeperAttached}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
  CHECK_FALSE(server.life.begins_anew);
}

// Whoever is there answers, at last, and it ends as it was told.
TEST_CASE("hold, terminate, start and release in any order leave a server that can be stopped") {
  for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
    std::mt19937 random{seed};
    const auto below = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    constexpr Strategy kStrategies[] = {Strategy::kOneForOne, Strategy::kOneForAll,
                                        Strategy::kRestForOne};
    constexpr Restart kRestarts[] = {Restart::kPermanent, Restart::kTransient,
                                     Restart::kTemporary};
    constexpr AutoShutdown kEnds[] = {AutoShutdown::kNever, AutoShutdown::kAnySignificant};
    LifePolicy its = policy(kStrategies[below(3)], static_cast<std::uint32_t>(below(4)),
                            kRestarts[below(3)], kEnds[below(2)]);
    its.asks = below(2) == 0;
    Server server{its};
    bool keeper = false;
    bool worker = false;
    bool stopped = false;
    std::string broken;
    const auto on = [&](Event event) {
      for (const Action action : server.on(event)) {
        if (action == Action::kLaunchKeeper && std::exchange(keeper, true)) broken = "two keepers";
        if (action == Action::kLaunchWorker && std::exchange(worker, true)) broken = "two workers";
        if (action == Action::kLaunchWorker && server.life.goal != Goal::kRun)
          broken = "a worker is launched that nobody wants";
        if (action == Action::kAnnounceDown && worker) broken = "down with a worker";
        if (action == Action::kAnnounceHeld && worker) broken = "held with a worker";
        if (action == Action::kAnnounceStopped) stopped = true;
      }
    };
    const auto process = [&] {
      switch (below(6)) {
        case 0:
          if (server.life.keeper == KeeperStage::kStarting) on({kKeeperAttached});
          break;
        case 1:
          if (server.life.keeper == KeeperStage::kRecovering) on({kKeeperRecovered});
          break;
        case 2:
          if (keeper && (below(3) == 0 || server.life.ending_keeper)) {
            keeper = false;
            on({kKeeperDied});
          }
          break;
        case 3:
          if (worker && (below(3) == 0 || server.life.ending_worker)) {
            worker = false;
            on({kWorkerDied, false, below(2) == 0});
          }
          break;
        case 4:
          if (worker && server.life.worker == WorkerStage::kStarting) on({kWorkerReady});
          break;
        case 5: server.now += std::chrono::seconds{below(4)}; break;
      }
    };
    constexpr EventType kOrders[] = {kStart, kHold, kRelease, kTerminate, kComeBack};
    for (int i = 0; i < 60 && broken.empty(); ++i) {
      if (below(5) == 0) on({kOrders[below(5)]});
      process();
    }
    stopped = false;  // before its start it is, whatever it is told
    on({kStop});
    for (int i = 0; i < 2'000 && !stopped; ++i) process();
    if (!stopped || keeper || worker) broken += " not stopped";
    if (!broken.empty()) FAIL(broken, " with seed ", seed);
  }
}
