// A code change as the lifecycle decides it, and the file it begins with.
#include <doctest/doctest.h>
#include <unistd.h>

#include <filesystem>

#include "daemon/server/upgrade.hpp"
#include "daemon/supervision/lifecycle.hpp"
#include "temporary_directory.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;
using peeper::test::TemporaryDirectory;

namespace {

using Do = std::vector<Action>;
using enum EventType;

constexpr Event kEnded{kWorkerDied, false, true};
constexpr Event kCrashed{kWorkerDied, false, false};
constexpr Event kDiedAfterCommit{kWorkerDied, false, false, true};

struct Server {
  Lifecycle life;

  // One more restart that counts takes it down.
  explicit Server(config::Restart restart = config::Restart::kPermanent)
      : life{{.restart = restart,
              .supervisor = {config::Strategy::kOneForOne, 0, 5s, config::AutoShutdown::kNever},
              .retry = {std::nullopt, {}},
              .asks = false,
                    .may_begin_anew = false}} {
    REQUIRE(on({kStart}) == Do{Action::kLaunchKeeper});
    REQUIRE(on({kKeeperAttached}) == Do{Action::kAskRecovery});
    REQUIRE(on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
    REQUIRE(on({kWorkerReady}).empty());
  }
  Do on(Event event) {
    const Actions actions = on_event(life, event, Instant{});
    return {actions.begin(), actions.end()};
  }
  void start_new_code() {
    REQUIRE(on({kUpgrade}) == Do{Action::kHandOver});
    REQUIRE(on(kEnded) == Do{Action::kAskRecovery});
    REQUIRE(on({kKeeperRecovered}) == Do{Action::kLaunchUpgraded});
  }
};

}  // namespace

TEST_CASE("a code change hands the worker over, recovers, and starts the new code") {
  for (const auto restart :
       {config::Restart::kPermanent, config::Restart::kTransient, config::Restart::kTemporary}) {
    Server server{restart};
    server.start_new_code();
    CHECK(server.on({kWorkerReady}) == Do{Action::kUpgraded});
    CHECK(server.life.goal == Goal::kRun);
    CHECK(server.life.upgrade == UpgradeStage::kNone);
  }
}

TEST_CASE("new code that dies at its start gives way to the old code, and counts for nothing") {
  for (const bool refused : {false, true}) {
    Server server{config::Restart::kTemporary};
    server.start_new_code();
    CHECK(server.on(kCrashed) == Do{Action::kAskRecovery});
    CHECK(server.on({kKeeperRecovered, refused}) ==
          Do{Action::kUpgradeUndone, Action::kLaunchWorker});
    CHECK(server.on({kWorkerReady}).empty());
    CHECK(server.life.goal == Goal::kRun);
  }
}

TEST_CASE("new code that isn't ready in time is killed, and the old code goes on") {
  Server server;
  server.start_new_code();
  CHECK(server.on({kUpgradeTimeout}) == Do{Action::kKillWorker});
  CHECK(server.on(kCrashed) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kUpgradeUndone, Action::kLaunchWorker});
}

TEST_CASE("new code that can't be launched gives way to the old code after a pause") {
  Server server;
  server.start_new_code();
  CHECK(server.on({kWorkerLaunchFailed}) == Do{Action::kUpgradeUndone, Action::kWaitForRetry});
  CHECK(server.on({kRetry}) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
}

TEST_CASE("new code that has committed has no way back: its death is one as any other") {
  Lifecycle life{{.restart = config::Restart::kPermanent,
                  .supervisor = {config::Strategy::kOneForOne, 1, 5s,
                                 config::AutoShutdown::kNever},
                  .retry = {std::nullopt, {}},
                  .asks = false,
                    .may_begin_anew = false}};
  Server server;
  server.life.supervisor.change_policy({.max_restarts = 1});
  server.start_new_code();
  CHECK(server.on(kDiedAfterCommit) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kUpgradeKept, Action::kLaunchWorker});
  CHECK(server.on(kCrashed) == Do{Action::kAskRecovery});
  CHECK(server.life.down_reason == DownReason::kIntensity);

  Server down;  // at once
  down.start_new_code();
  CHECK(down.on(kDiedAfterCommit) == Do{Action::kUpgradeKept, Action::kAskRecovery});
}

TEST_CASE("a worker that does not let itself be handed over is killed, and that is no crash") {
  Server server{config::Restart::kTemporary};
  CHECK(server.on({kUpgrade}) == Do{Action::kHandOver});
  CHECK(server.on({kUpgradeTimeout}) == Do{Action::kKillWorker});
  CHECK(server.on(kCrashed) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchUpgraded});
}

TEST_CASE("a worker that crashes while it is handed over has crashed") {
  Server server;
  CHECK(server.on({kUpgrade}) == Do{Action::kHandOver});
  CHECK(server.on(kCrashed) == Do{Action::kUpgradeUndone, Action::kAskRecovery});
  CHECK(server.life.down_reason == DownReason::kIntensity);

  Server lucky;
  lucky.life.supervisor.change_policy({.max_restarts = 1});
  CHECK(lucky.on({kUpgrade}) == Do{Action::kHandOver});
  CHECK(lucky.on(kCrashed) == Do{Action::kAskRecovery});
  CHECK(lucky.on({kKeeperRecovered}) == Do{Action::kLaunchUpgraded});
}

TEST_CASE("a code change asked for while the worker starts waits until it is ready") {
  Server server;
  server.life.supervisor.change_policy({.max_restarts = 5});
  CHECK(server.on(kCrashed) == Do{Action::kAskRecovery});
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchWorker});
  CHECK(server.on({kUpgrade}).empty());
  SUBCASE("and then hands over") { CHECK(server.on({kWorkerReady}) == Do{Action::kHandOver}); }
  SUBCASE("or gives up, nothing done") {
    CHECK(server.on({kUpgradeTimeout}) == Do{Action::kUpgradeUndone});
    CHECK(server.on({kWorkerReady}).empty());
  }
  SUBCASE("or starts the new code after its death, even one for good") {
    CHECK(server.on(kCrashed) == Do{Action::kAskRecovery});
    CHECK(server.on({kKeeperRecovered, true}) == Do{Action::kLaunchUpgraded});
  }
}

TEST_CASE("a code change asked for while there is no worker is the next one's code") {
  Server server;
  server.life.supervisor.change_policy({.max_restarts = 1});
  CHECK(server.on(kCrashed) == Do{Action::kAskRecovery});
  CHECK(server.on({kUpgrade}).empty());
  CHECK(server.on({kUpgradeTimeout}).empty());  // the keeper has a time of its own
  CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchUpgraded});
}

TEST_CASE("a keeper that dies in the middle of a code change is replaced, and the change goes on") {
  for (const bool new_code_works : {true, false}) {
    Server server;
    server.life.supervisor.change_policy({.max_restarts = 9});
    const auto replace_keeper = [&] {
      CHECK(server.on({kKeeperDied}) == Do{Action::kLaunchKeeper});
      return server.on({kKeeperAttached});
    };
    CHECK(server.on({kUpgrade}) == Do{Action::kHandOver});
    CHECK(replace_keeper().empty());
    CHECK(server.on(kEnded) == Do{Action::kAskRecovery});
    CHECK(replace_keeper() == Do{Action::kAskRecovery});
    CHECK(server.on({kKeeperRecovered}) == Do{Action::kLaunchUpgraded});
    CHECK(replace_keeper().empty());
    if (new_code_works) {
      CHECK(server.on({kWorkerReady}) == Do{Action::kUpgraded});
    } else {
      CHECK(server.on(kCrashed) == Do{Action::kAskRecovery});
      CHECK(replace_keeper() == Do{Action::kAskRecovery});
      CHECK(server.on({kKeeperRecovered}) == Do{Action::kUpgradeUndone, Action::kLaunchWorker});
    }
  }
}

TEST_CASE("a stop in the middle of a code change ends it, with terminate if it still may run") {
  Server server;
  CHECK(server.on({kUpgrade}) == Do{Action::kHandOver});
  CHECK(server.on({kStop}) == Do{Action::kUpgradeUndone, Action::kStopWorker});
  Server later;
  later.start_new_code();
  CHECK(later.on({kStop}) == Do{Action::kUpgradeUndone, Action::kStopWorker});
  CHECK(later.on({kWorkerReady}).empty());
  CHECK(later.on(kEnded) == Do{Action::kAskRecovery});
  CHECK(later.on({kKeeperRecovered}) == Do{Action::kStopKeeper});
}

TEST_CASE("new code is looked for as a configuration's, and must be a shared object one can read") {
  const TemporaryDirectory directory;
  const auto path = config::search_path(nullptr, directory.path() / "peeperd.toml", "/nowhere/bin");
  directory.write("new.so", "\177ELF and more");
  directory.write("text.so", "#!/bin/sh\n");
  directory.write("empty.so", "");
  const auto text_of = [&](const char* behaviour) {
    const auto found = find_new_code(behaviour, path);
    REQUIRE_FALSE(found.has_value());
    return found.error().what;
  };
  const std::string at = directory.path().string();
  CHECK(find_new_code("new", path).value() == directory.path() / "new.so");
  CHECK(find_new_code("./new.so", path).value() == directory.path() / "new.so");
  CHECK(find_new_code(at + "/new.so", path).value() == directory.path() / "new.so");
  CHECK(text_of("text") == at + "/text.so is no shared object");
  CHECK(text_of("./empty.so") == at + "/empty.so is no shared object");
  CHECK(text_of("./none.so") == "behaviour \"./none.so\" not found; looked at " + at + "/none.so");
  CHECK(text_of("./") == "behaviour \"./\" not found; looked at " + at + "/ (not a file)");
  CHECK_FALSE(find_new_code("", path).has_value());
  CHECK_FALSE(find_new_code(std::string(5000, 'x'), path).has_value());
  CHECK_FALSE(find_new_code(std::string("new\0so", 6), path).has_value());
  if (::geteuid() == 0) return;  // may read everything
  directory.write("secret.so", "\177ELF");
  std::filesystem::permissions(directory.path() / "secret.so", std::filesystem::perms::none);
  CHECK(text_of("secret") == "cannot read " + at + "/secret.so: Permission denied");
}
