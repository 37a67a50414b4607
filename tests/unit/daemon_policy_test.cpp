// The daemon's pure parts: lifecycle, intensity, order of replies, waiting calls, judgement.
#include <doctest/doctest.h>

#include <random>

#include "common/segment/judgement.hpp"
#include "daemon/commands/reply_queue.hpp"
#include "daemon/delivery/calls.hpp"
#include "daemon/supervision/intensity.hpp"
#include "daemon/supervision/lifecycle.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;

namespace {

constexpr Instant kStartOfTime{};

Lifecycle life_with(config::Restart restart, std::uint32_t max_restarts = 3) {
  return Lifecycle{{.restart = restart,
                    .supervisor = {config::Strategy::kOneForOne, max_restarts, 5s,
                                   config::AutoShutdown::kAnySignificant},
                    .retry = {std::nullopt, {}},
                    .asks = false,
                    .may_begin_anew = false}};
}

std::vector<Action> after(Lifecycle& life, Event event, Instant now = kStartOfTime) {
  const Actions actions = on_event(life, event, now);
  return {actions.begin(), actions.end()};
}

using Do = std::vector<Action>;
using enum EventType;

void bring_up(Lifecycle& life) {
  REQUIRE(after(life, {kStart}) == Do{Action::kLaunchKeeper});
  REQUIRE(after(life, {kKeeperAttached}) == Do{Action::kAskRecovery});
  REQUIRE(after(life, {kKeeperRecovered}) == Do{Action::kLaunchWorker});
  REQUIRE(after(life, {kWorkerReady}).empty());
}

}  // namespace

TEST_CASE("a server starts keeper, recovery, worker, in this order") {
  Lifecycle life = life_with(config::Restart::kPermanent);
  bring_up(life);
  CHECK(life.goal == Goal::kRun);
}

TEST_CASE("a dead worker is recovered before the next one starts") {
  Lifecycle life = life_with(config::Restart::kPermanent);
  bring_up(life);
  CHECK(after(life, {kWorkerDied}) == Do{Action::kAskRecovery});
  CHECK(after(life, {kKeeperRecovered}) == Do{Action::kLaunchWorker});
}

TEST_CASE("a dead keeper is replaced and the worker left alone") {
  Lifecycle life = life_with(config::Restart::kPermanent);
  bring_up(life);
  CHECK(after(life, {kKeeperDied}) == Do{Action::kLaunchKeeper});
  CHECK(after(life, {kKeeperAttached}).empty());
}

TEST_CASE("with both dead the new keeper recovers first") {
  Lifecycle life = life_with(config::Restart::kPermanent);
  bring_up(life);
  CHECK(after(life, {kWorkerDied}) == Do{Action::kAskRecovery});
  CHECK(after(life, {kKeeperDied}) == Do{Action::kLaunchKeeper});
  CHECK(after(life, {kKeeperAttached}) == Do{Action::kAskRecovery});
  CHECK(after(life, {kKeeperRecovered}) == Do{Action::kLaunchWorker});
}

TEST_CASE("permanent restarts always, transient after a crash, temporary never") {
  for (const bool normal : {true, false}) {
    Lifecycle permanent = life_with(config::Restart::kPermanent);
    Lifecycle transient = life_with(config::Restart::kTransient);
    Lifecycle temporary = life_with(config::Restart::kTemporary);
    for (Lifecycle* life : {&permanent, &transient, &temporary}) {
      bring_up(*life);
      // The caller of the message in flight is told in any case.
      CHECK(after(*life, {kWorkerDied, false, normal}) == Do{Action::kAskRecovery});
    }
    CHECK(after(permanent, {kKeeperRecovered}) == Do{Action::kLaunchWorker});
    CHECK(after(transient, {kKeeperRecovered}) ==
          Do{normal ? Action::kStopKeeper : Action::kLaunchWorker});
    CHECK(after(temporary, {kKeeperRecovered}) == Do{Action::kStopKeeper});
    CHECK(after(temporary, {kKeeperDied}) == Do{Action::kAnnounceDown});
  }
}

TEST_CASE("one restart too many within the period takes the server down") {
  Lifecycle life = life_with(config::Restart::kPermanent, 2);
  bring_up(life);
  for (int i = 0; i < 2; ++i) {
    CHECK(after(life, {kWorkerDied}) == Do{Action::kAskRecovery});
    CHECK(after(life, {kKeeperRecovered}) == Do{Action::kLaunchWorker});
  }
  CHECK(after(life, {kWorkerDied}) == Do{Action::kAskRecovery});
  CHECK(after(life, {kKeeperRecovered}) == Do{Action::kStopKeeper});
  CHECK(after(life, {kKeeperDied}) == Do{Action::kAnnounceDown});
  CHECK(life.down_reason == DownReason::kIntensity);
}

TEST_CASE("restarts that are long ago don't count") {
  Intensity intensity{1, 5s};
  CHECK(intensity.allows_restart(kStartOfTime));
  CHECK_FALSE(intensity.allows_restart(kStartOfTime + 5s));
  CHECK(intensity.allows_restart(kStartOfTime + 5001ms));
  Intensity none{0, 5s};
  CHECK_FALSE(none.allows_restart(kStartOfTime));
}

TEST_CASE("a worker that can't run at all is not started again") {
  Lifecycle life = life_with(config::Restart::kPermanent);
  bring_up(life);
  (void)after(life, {kWorkerDied});
  CHECK(after(life, {kKeeperRecovered, true}) == Do{Action::kStopKeeper});
  CHECK(life.down_reason == DownReason::kRefused);
}

TEST_CASE("a keeper that can't hold the segment takes the server down") {
  Lifecycle life = life_with(config::Restart::kPermanent);
  (void)after(life, {kStart});
  CHECK(after(life, {kKeeperFailed}).empty());
  CHECK(after(life, {kKeeperDied}) == Do{Action::kAnnounceDown});
}

TEST_CASE("a failed launch is tried again after a pause") {
  Lifecycle life = life_with(config::Restart::kPermanent);
  (void)after(life, {kStart});
  CHECK(after(life, {kKeeperLaunchFailed}) == Do{Action::kWaitForRetry});
  CHECK(after(life, {kRetry}) == Do{Action::kLaunchKeeper});
  (void)after(life, {kKeeperAttached});
  (void)after(life, {kKeeperRecovered});
  CHECK(after(life, {kWorkerLaunchFailed}) == Do{Action::kWaitForRetry});
  // It may have run for a moment.
  CHECK(after(life, {kRetry}) == Do{Action::kAskRecovery});
  CHECK(after(life, {kKeeperRecovered}) == Do{Action::kLaunchWorker});
}

TEST_CASE("standby workers are prepared behind a ready worker and kept through its death") {
  Lifecycle life = life_with(config::Restart::kPermanent, 2);
  CHECK(standby_wish(life) == StandbyWish::kNone);
  (void)after(life, {kStart});
  CHECK(standby_wish(life) == StandbyWish::kKeep);
  (void)after(life, {kKeeperAttached});
  (void)after(life, {kKeeperRecovered});
  CHECK(standby_wish(life) == StandbyWish::kKeep);
  (void)after(life, {kWorkerReady});
  CHECK(standby_wish(life) == StandbyWish::kPrepare);
  (void)after(life, {kKeeperDied});
  CHECK(standby_wish(life) == StandbyWish::kPrepare);
  (void)after(life, {kKeeperAttached});
  (void)after(life, {kWorkerDied});
  CHECK(standby_wish(life) == StandbyWish::kKeep);
  (void)after(life, {kKeeperRecovered});
  (void)after(life, {kWorkerReady});
  // They would have the code of before.
  (void)after(life, {kUpgrade});
  CHECK(standby_wish(life) == StandbyWish::kNone);
  (void)after(life, {kWorkerDied, false, true});
  (void)after(life, {kKeeperRecovered});
  (void)after(life, {kWorkerReady});
  CHECK(standby_wish(life) == StandbyWish::kPrepare);
  (void)after(life, {kStop});
  CHECK(standby_wish(life) == StandbyWish::kNone);
}

TEST_CASE("a server that ends is recovered a last time, by a new keeper if there is none") {
  for (const auto& [stops, keeper_dies] : {std::pair{false, false}, std::pair{false, true},
                                           std::pair{true, false}, std::pair{true, true}}) {
    Lifecycle life = life_with(config::Restart::kPermanent, stops ? 5 : 1);
    bring_up(life);
    CHECK(after(life, {kKeeperDied}) == Do{Action::kLaunchKeeper});
    // The second restart is one too many; or the daemon ends meanwhile.
    CHECK(after(life, {kWorkerDied}).empty());
    if (stops) CHECK(after(life, {kStop}).empty());
    if (keeper_dies) CHECK(after(life, {kKeeperDied}) == Do{Action::kLaunchKeeper});
    CHECK(after(life, {kKeeperAttached}) == Do{Action::kAskRecovery});
    CHECK(after(life, {kKeeperRecovered}) == Do{Action::kStopKeeper});
    CHECK(after(life, {kKeeperDied}) ==
          Do{stops ? Action::kAnnounceStopped : Action::kAnnounceDown});
  }
}

TEST_CASE("a last recovery that no keeper survives is given up") {
  Lifecycle life = life_with(config::Restart::kPermanent, 0);
  bring_up(life);
  CHECK(after(life, {kWorkerDied}) == Do{Action::kAskRecovery});
  CHECK(after(life, {kKeeperDied}) == Do{Action::kLaunchKeeper});
  CHECK(after(life, {kKeeperDied}) == Do{Action::kAnnounceDown});
}

TEST_CASE("a stop asks the worker, then the keeper, then says so") {
  Lifecycle life = life_with(config::Restart::kPermanent);
  bring_up(life);
  CHECK(after(life, {kStop}) == Do{Action::kStopWorker});
  CHECK(after(life, {kWorkerDied, false, true}) == Do{Action::kAskRecovery});
  CHECK(after(life, {kKeeperRecovered}) == Do{Action::kStopKeeper});
  CHECK(after(life, {kKeeperDied}) == Do{Action::kAnnounceStopped});
}

TEST_CASE("a worker that does not stop is killed") {
  Lifecycle life = life_with(config::Restart::kPermanent);
  bring_up(life);
  (void)after(life, {kStop});
  CHECK(after(life, {kWorkerTimeout}) == Do{Action::kKillWorker});
}

TEST_CASE("whatever happens in whatever order, a stop ends with everything stopped") {
  for (std::uint64_t seed = 1; seed <= 20'000; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    Lifecycle life = life_with(config::Restart::kPermanent, 5);
    // What really runs, as the shell would have it.
    bool keeper = false;
    bool worker = false;
    bool asked = false;
    bool retry = false;
    bool worker_ending = false;
    bool keeper_ending = false;
    int announced = 0;
    // The code change, as whoever asked for it sees it.
    bool upgrading = false;
    bool new_code_begun = false;  // and not yet ready, nor given up
    bool new_code_committed = false;
    const auto end_upgrade = [&](bool new_code_goes_on) {
      REQUIRE(upgrading);  // each is answered once
      if (new_code_goes_on) REQUIRE(new_code_begun);
      upgrading = new_code_begun = new_code_committed = false;
    };
    const auto perform = [&](Event event) {
      for (const Action action : on_event(life, event, kStartOfTime)) switch (action) {
          case Action::kLaunchKeeper:
            REQUIRE_FALSE(keeper);
            keeper = true;
            asked = keeper_ending = false;
            break;
          case Action::kLaunchUpgraded:
            REQUIRE(upgrading);
            REQUIRE_FALSE(new_code_begun);  // tried once
            new_code_begun = true;
            [[fallthrough]];
          case Action::kLaunchWorker:
            if (action == Action::kLaunchWorker) REQUIRE_FALSE(new_code_begun);
            REQUIRE_FALSE(worker);
            REQUIRE(keeper);
            worker = true;
            worker_ending = false;
            break;
          case Action::kAskRecovery:
            REQUIRE(keeper);
            REQUIRE_FALSE(worker);  // nobody repairs what somebody may still write
            asked = true;
            break;
          case Action::kUpgraded:
            REQUIRE(worker);
            end_upgrade(true);
            break;
          case Action::kUpgradeKept:
            REQUIRE(new_code_committed);
            end_upgrade(true);
            break;
          case Action::kUpgradeUndone:
            REQUIRE_FALSE((new_code_committed && life.goal == Goal::kRun));
            end_upgrade(false);
            break;
          case Action::kHandOver:
            REQUIRE(upgrading);
            [[fallthrough]];
          case Action::kStopWorker:
          case Action::kKillWorker:
            REQUIRE(worker);
            worker_ending = true;
            break;
          case Action::kStopKeeper:
          case Action::kKillKeeper:
            REQUIRE(keeper);
            keeper_ending = true;
            break;
          case Action::kAskSupervision:
          case Action::kAnnounceHeld:
          case Action::kAnnounceBack:
          case Action::kWaitForComeback: FAIL("nobody has asked for that"); break;
          case Action::kWaitForRetry: retry = true; break;
          case Action::kAnnounceDown:
          case Action::kAnnounceStopped:
            REQUIRE_FALSE(keeper);
            REQUIRE_FALSE(worker);
            REQUIRE_FALSE(upgrading);
            if (action == Action::kAnnounceStopped) ++announced;
        }
    };
    const auto any_event = [&](bool only_progress) {
      const auto choice = random() % 12;
      if (choice == 0 && keeper && life.keeper == KeeperStage::kStarting) {
        perform({kKeeperAttached});
      } else if (choice == 1 && asked) {
        asked = false;
        perform({kKeeperRecovered, random() % 20 == 0});
      } else if (choice == 2 && keeper && (keeper_ending || !only_progress)) {
        keeper = asked = false;
        perform({kKeeperDied});
      } else if (choice == 3 && worker && (worker_ending || !only_progress)) {
        worker = false;
        const bool commits = new_code_begun && random() % 3 == 0;
        new_code_committed = commits;
        perform({kWorkerDied, false, random() % 2 == 0, commits});
      } else if (choice == 4 && worker && !only_progress) {
        perform({kWorkerReady});
      } else if (choice == 5 && worker && !only_progress) {
        perform({kWorkerMisbehaved});
      } else if (choice == 6 && keeper && only_progress) {
        perform({kKeeperTimeout});
      } else if (choice == 7 && retry) {
        retry = false;
        perform({kRetry});
      } else if (choice == 8 && !only_progress && !upgrading && life.goal == Goal::kRun) {
        upgrading = true;
        perform({kUpgrade});
      } else if (choice == 9 && upgrading) {
        perform({kUpgradeTimeout});
      } else if (choice == 10 && worker && life.worker == WorkerStage::kStarting &&
                 random() % 8 == 0) {
        worker = false;
        perform({kWorkerLaunchFailed});
      }
    };
    perform({kStart});
    for (std::uint64_t steps = random() % 200; steps > 0; --steps) any_event(false);
    perform({kStop});
    for (int steps = 0; steps < 1000 && announced == 0; ++steps) any_event(true);
    REQUIRE(announced == 1);
    REQUIRE_FALSE(keeper);
    REQUIRE_FALSE(worker);
  }
}

TEST_CASE("replies leave in the order of their commands, whatever order they come in") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random{seed};
    ReplyQueue queue;
    std::string expected;
    std::vector<std::pair<std::uint64_t, std::string>> open;
    for (int i = 0; i < 100; ++i) {
      const std::string value = ":" + std::to_string(i) + "\r\n";
      expected += value;
      if (random() % 2 == 0)
        queue.add(value, Protocol::kResp3);
      else
        open.emplace_back(queue.reserve(Protocol::kResp3), value);
      if (!open.empty() && random() % 2 == 0) {
        const auto chosen = open.begin() + static_cast<long>(random() % open.size());
        queue.fill(chosen->first, chosen->second);
        open.erase(chosen);
      }
    }
    std::shuffle(open.begin(), open.end(), random);
    for (const auto& [slot, value] : open) queue.fill(slot, value);
    CHECK(queue.ready() == expected);
    CHECK(queue.pending() == 0);
  }
}

TEST_CASE("a reply is in the protocol its command was asked in") {
  ReplyQueue queue;
  const auto first = queue.reserve(Protocol::kResp2);
  const auto second = queue.reserve(Protocol::kResp3);
  queue.fill(second, "_\r\n");
  queue.fill(first, "_\r\n");
  queue.fill(first, "+never twice\r\n");
  CHECK(queue.ready() == "$-1\r\n_\r\n");
}

TEST_CASE("waiting calls end once: by their reply or by their deadline, earliest first") {
  Calls calls;
  const auto target = [](std::uint64_t slot) { return ReplyTarget{nullptr, slot}; };
  calls.add(1, target(1), kStartOfTime + 30ms);
  calls.add(2, target(2), kStartOfTime + 10ms);
  calls.add(3, target(3), kStartOfTime + 20ms);
  CHECK(calls.earliest() == kStartOfTime + 10ms);
  CHECK(calls.take(3)->slot == 3);
  CHECK_FALSE(calls.take(3).has_value());
  CHECK_FALSE(calls.expire(kStartOfTime + 5ms).has_value());
  CHECK(calls.expire(kStartOfTime + 50ms)->slot == 2);
  CHECK(calls.expire(kStartOfTime + 50ms)->slot == 1);
  CHECK_FALSE(calls.expire(kStartOfTime + 50ms).has_value());
  CHECK_FALSE(calls.take_any().has_value());
}

TEST_CASE("only a message is ever judged") {
  using segment::Channel;
  using segment::judge;
  using segment::Observed;
  using segment::Verdict;
  for (const auto observed : {Observed::kSeen, Observed::kNobodySaw})
    for (const auto channel : {Channel::kNone, Channel::kInit, Channel::kTerminate})
      CHECK(judge(channel, 1, observed, 0) == Verdict::kNothing);
  CHECK(judge(Channel::kMailbox, 1, Observed::kSeen, 0) == Verdict::kDrop);
  CHECK(judge(Channel::kMailbox, 1, Observed::kNobodySaw, 0) == Verdict::kRunAgain);
  CHECK(judge(Channel::kMailbox, 3, Observed::kNobodySaw, 0) == Verdict::kDrop);
  CHECK(judge(Channel::kTimer, 2, Observed::kSeen, 2) == Verdict::kRunAgain);
  CHECK(judge(Channel::kTimer, 3, Observed::kSeen, 2) == Verdict::kDrop);
  CHECK(judge(Channel::kContinue, 2, Observed::kNobodySaw, 1) == Verdict::kRunAgain);
}
