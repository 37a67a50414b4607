// The life of one server, as a pure function from state and event to state and actions: when its
// keeper and its worker are started, recovered, restarted, stopped, and when it goes down.
//
//   keeper:  none ─launch─▶ starting ─attached─▶ idle ◀─recovered─▶ recovering
//   worker:  none ─(recovered)─▶ starting ─ready─▶ ready ─death─▶ none, to be recovered
//
// A worker starts only on a segment that was recovered since the last worker died. The keeper's
// death alone doesn't touch the worker. No system calls, clocks or logs in here.
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

enum class EventType {
  kStart,
  kStop,
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
};

enum class Action {
  kLaunchKeeper,
  kAskRecovery,
  kLaunchWorker,
  kStopWorker,    // SIGTERM; kWorkerTimeout follows after the configured `shutdown`
  kKillWorker,
  kStopKeeper,
  kKillKeeper,
  kWaitForRetry,
  kAnnounceDown,     // nothing runs any more; waiting callers can be told
  kAnnounceStopped,  // the same, at the daemon's end
};
using Actions = boost::container::static_vector<Action, 4>;

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
  bool ending_worker = false;    // asked to stop, or killed
  bool ending_keeper = false;
  bool pausing = false;          // after a failed launch
  bool announced = false;
};

[[nodiscard]] Actions on_event(Lifecycle& life, Event event, Instant now);

}  // namespace peeper::daemon
