// The life of one server, as a pure function from state and event to state and actions: when its
// keeper and its worker are started, recovered, restarted, stopped, and when it goes down.
//
//   keeper:  none ─launch─▶ starting ─attached─▶ idle ◀─recovered─▶ recovering
//   worker:  none ─(recovered)─▶ starting ─ready─▶ ready ─death─▶ none, to be recovered
//
// A worker starts only on a segment that was recovered since the last worker died. The keeper's
// death alone doesn't touch the worker. No system calls, clocks or logs in here.
//
// A code change lies over both (stage by stage, see UpgradeStage):
//
//   none ─▶ waiting ─▶ handing over ─▶ handed over ─(recovered)─▶ starting ─ready─▶ none
//   starting ─death─▶ undone ─(recovered)─▶ none: the old code starts again
//
// Until the new code is ready, or has committed, the old one goes on whatever happens; that it had
// to be started again is nobody's crash and counts for no intensity.
#pragma once

#include <boost/container/static_vector.hpp>
#include <cstdint>
#include <utility>

#include "daemon/config/config.hpp"
#include "daemon/intensity.hpp"

namespace peeper::daemon {

enum class Goal {
  kRun,
  kDown,  // given up, or ended by its restart type: callers get -DOWN
  kStop,  // the daemon ends
};

enum class KeeperStage { kNone, kStarting, kIdle, kRecovering };
enum class WorkerStage { kNone, kStarting, kReady };

// Of the one code change that may be under way.
enum class UpgradeStage {
  kNone,
  kWaiting,      // for a worker that still starts, or that is being killed
  kHandingOver,  // the worker is asked to end, without terminate
  kHandedOver,   // there is none; the next one has the new code
  kStarting,     // that one lives, and isn't ready
  kUndone,       // it died, and has left no trace; a recovery tells why
  kKept,         // it died, but had committed: there is no way back; a recovery tells why
};

enum class EventType {
  kStart,
  kStop,
  kUpgrade,            // only while the server shall run, and no other is under way
  kUpgradeTimeout,     // the stage takes too long
  kKeeperAttached,
  kKeeperRecovered,    // refused: the worker said that it can't run at all
  kKeeperFailed,       // it can't hold the segment; another try would not help
  kKeeperDied,
  kKeeperTimeout,      // it owes an answer for too long
  kWorkerReady,
  kWorkerDied,         // normal: it ended by itself with status 0
  kWorkerTimeout,      // init, or an orderly stop, takes too long
  kWorkerMisbehaved,   // it wrote garbage into the rings
  kKeeperLaunchFailed,
  kWorkerLaunchFailed,
  kRetry,              // the pause after a failed launch is over
};

struct Event {
  EventType type;
  bool refused = false;
  bool normal = false;
  bool committed = false;  // of kWorkerDied: the new code's worker got that far
};

enum class Action {
  kLaunchKeeper,
  kAskRecovery,
  kLaunchWorker,
  kLaunchUpgraded,  // with the new code; kUpgradeTimeout follows if it isn't ready in time
  kHandOver,      // SIGTERM, to end without terminate; kUpgradeTimeout follows
  kStopWorker,    // SIGTERM; kWorkerTimeout follows after the configured `shutdown`
  kKillWorker,
  kStopKeeper,
  kKillKeeper,
  kWaitForRetry,
  kAnnounceDown,     // nothing runs any more; waiting callers can be told
  kAnnounceStopped,  // the same, at the daemon's end
  // How the code change ended; whoever asked can be told.
  kUpgraded,         // the new code runs
  kUpgradeUndone,    // the old code goes on, or the server ends
  kUpgradeKept,      // the new code has changed the state, and then died at its start
};
using Actions = boost::container::static_vector<Action, 4>;  // no event leads to more

// Why a server is down.
enum class DownReason { kNone, kIntensity, kRefused, kKeeperFailed, kEnded };

struct Lifecycle {
  Lifecycle(config::Restart restart_type, Intensity restart_intensity)
      : restart(restart_type), intensity(std::move(restart_intensity)) {}

  config::Restart restart;
  Intensity intensity;
  Goal goal = Goal::kStop;
  KeeperStage keeper = KeeperStage::kNone;
  WorkerStage worker = WorkerStage::kNone;
  DownReason down_reason = DownReason::kNone;
  bool recovered = false;        // since the last worker died
  bool owes_recovery = false;    // a worker ran, and what it left is not yet recovered
  bool tried_last = false;       // a keeper was started for that though the server ends
  bool ending_worker = false;    // asked to stop, or killed
  bool ending_keeper = false;
  bool pausing = false;          // after a failed launch
  bool announced = false;
  UpgradeStage upgrade = UpgradeStage::kNone;
  bool hand_over_cut_short = false;  // by us: that death is no crash
};

[[nodiscard]] Actions on_event(Lifecycle& life, Event event, Instant now);

// What of spare workers there shall be.
enum class StandbyWish {
  kNone,     // they would have the code of before, or nothing to do any more
  kKeep,     // those there are: there is no worker that is ready, so that one is needed soon
  kPrepare,  // as many as are configured, behind the worker
};
[[nodiscard]] StandbyWish standby_wish(const Lifecycle& life);

}  // namespace peeper::daemon
