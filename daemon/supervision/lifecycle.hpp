// The life of one server, as a pure function from state and event to state and actions: when its
// keeper and its worker are started, recovered, restarted, stopped, and when it goes down.
//
//   keeper:  none ─launch─▶ starting ─attached─▶ idle ◀─recovered─▶ recovering
//   worker:  none ─(recovered)─▶ starting ─ready─▶ ready ─death─▶ none, to be recovered
//
// A worker starts only on a segment that was recovered since the last worker died. The keeper's
// death alone doesn't touch the worker. No system calls, clocks or logs in here.
//
// Under a strategy that restarts siblings too, a worker that shall be started again waits for the
// supervision above (kHold): its siblings end first. That may also hold a server that runs.
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
#include <optional>

#include "daemon/config/config.hpp"
#include "daemon/supervision/supervisor.hpp"

namespace peeper::daemon {

enum class Goal {
  kRun,
  kHold,  // without a worker until it is released: messages are taken, and wait
  kDown,  // given up, ended by its restart type, or by an order
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
  kTerminate,          // ends in order, and is down after that
  kHold,               // the worker ends in order, and none is started until
  kRelease,
  kComeBack,           // the pause of a server that is down is over
  kUpgrade,            // only while the server shall run, and no other is under way
  kUpgradeTimeout,     // the stage takes too long
  kKeeperAttached,
  kKeeperRecovered,    // refused: the worker said that it can't run at all
  kKeeperFailed,       // it can't hold the segment; another try would not help
  kKeeperDied,         // of_listener: one of its listeners took it along
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
  bool progressed = false; // of kWorkerDied: it handled a message, or fired a timer
  bool with_group = false; // of kTerminate: as the group above has ended
  bool of_listener = false;
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
  kAskSupervision,   // to be released, or started: its worker crashed, or it wants to come back
  kAnnounceHeld,
  kAnnounceDown,     // no worker runs any more; waiting callers can be told
  kAnnounceStopped,  // nothing runs any more, at the daemon's end
  kAnnounceBack,     // by itself, after having been down
  kWaitForComeback,  // for `comeback_delay`; kComeBack follows
  // How the code change ended; whoever asked can be told.
  kUpgraded,         // the new code runs
  kUpgradeUndone,    // the old code goes on, or the server ends
  kUpgradeKept,      // the new code has changed the state, and then died at its start
};
using Actions = boost::container::static_vector<Action, 4>;  // no event leads to more

// Why a server is down.
enum class DownReason {
  kNone,
  kIntensity,     // this one and the next two: it comes back by itself, if so configured
  kRefused,
  kKeeperFailed,
  kEnded,         // its worker ended, and its restart type says that this was it
  kShutDown,      // the same, and by its auto_shutdown its keeper ends too
  kTerminated,    // by an order
  kGroupEnded,
};

struct LifePolicy {
  config::Restart restart = config::Restart::kPermanent;
  SupervisorPolicy supervisor;  // over keeper and worker
  config::RetryDelay retry;
  bool asks = false;  // the strategy above restarts siblings too
  bool may_begin_anew = false;  // on_crash_loop has "init"
};

struct Lifecycle {
  explicit Lifecycle(LifePolicy its_policy);

  LifePolicy policy;
  Supervisor supervisor;  // its children: keeper, worker
  Goal goal = Goal::kStop;
  KeeperStage keeper = KeeperStage::kNone;
  WorkerStage worker = WorkerStage::kNone;
  DownReason down_reason = DownReason::kNone;
  bool recovered = false;        // since the last worker died
  bool owes_recovery = false;    // a worker ran, and what it left is not yet recovered
  bool tried_last = false;       // a keeper was started for that though the server ends
  bool ending_worker = false;    // asked to stop, or killed
  bool ordered_end = false;      // of the worker, by us: no crash
  bool ending_keeper = false;
  // By the strategy over keeper and worker: the one died, so the other one ends too.
  bool renews_worker = false;
  bool renews_keeper = false;
  bool pausing = false;          // after a failed launch
  bool announced = false;
  UpgradeStage upgrade = UpgradeStage::kNone;
  bool hand_over_cut_short = false;  // by us: that death is no crash

  // --- Deaths with nothing handled in between ----------------------------------------------------
  std::uint32_t fruitless = 0;  // in a row, and the one that they follow
  // The next recovery puts the state aside, and the worker after it runs init. Once in a loop.
  bool begins_anew = false;
  bool began_anew = false;

  // --- Down, and back by itself ------------------------------------------------------------------
  bool coming_back = false;  // it shall run, but is down to others until its worker is ready
  std::uint32_t comebacks = 0;  // in vain since the last healthy minute
  std::chrono::milliseconds comeback_delay{};
  std::optional<Instant> ready_since;  // the worker

  // Others see it as down.
  [[nodiscard]] bool is_down() const { return goal == Goal::kDown || coming_back; }
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
