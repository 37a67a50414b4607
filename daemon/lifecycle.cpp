#include "daemon/lifecycle.hpp"

#include <utility>

namespace peeper::daemon {
namespace {

void go_down(Lifecycle& life, DownReason reason) {
  if (life.goal != Goal::kRun) return;
  life.goal = Goal::kDown;
  life.down_reason = reason;
  life.announced = false;
}

void count_restart(Lifecycle& life, Instant now) {
  if (life.goal == Goal::kRun && !life.intensity.allows_restart(now))
    go_down(life, DownReason::kIntensity);
}

// While the server shall run: the next thing that is missing.
void advance_to_run(Lifecycle& life, Actions& actions) {
  if (life.pausing) return;
  if (life.keeper == KeeperStage::kNone) {
    life.keeper = KeeperStage::kStarting;
    life.ending_keeper = false;
    actions.push_back(Action::kLaunchKeeper);
  } else if (life.keeper == KeeperStage::kIdle && life.worker == WorkerStage::kNone) {
    if (!life.recovered) {
      life.keeper = KeeperStage::kRecovering;
      actions.push_back(Action::kAskRecovery);
    } else {
      life.worker = WorkerStage::kStarting;
      life.recovered = false;
      life.ending_worker = false;
      actions.push_back(Action::kLaunchWorker);
    }
  }
}

// While it shall not: the next thing that is still there. The last recovery is for the caller of
// the message in flight.
void advance_to_end(Lifecycle& life, Actions& actions) {
  if (life.worker != WorkerStage::kNone) {
    if (!std::exchange(life.ending_worker, true))
      actions.push_back(life.goal == Goal::kStop ? Action::kStopWorker : Action::kKillWorker);
    return;
  }
  switch (life.keeper) {
    case KeeperStage::kIdle:
      if (!life.recovered && !life.ending_keeper) {
        life.keeper = KeeperStage::kRecovering;
        actions.push_back(Action::kAskRecovery);
      } else if (!std::exchange(life.ending_keeper, true)) {
        actions.push_back(Action::kStopKeeper);
      }
      return;
    case KeeperStage::kStarting:
      if (!std::exchange(life.ending_keeper, true)) actions.push_back(Action::kStopKeeper);
      return;
    case KeeperStage::kRecovering: return;
    case KeeperStage::kNone:
      if (!std::exchange(life.announced, true))
        actions.push_back(life.goal == Goal::kStop ? Action::kAnnounceStopped
                                                   : Action::kAnnounceDown);
  }
}

bool wants_restart(config::Restart restart, bool normal) {
  switch (restart) {
    case config::Restart::kPermanent: return true;
    case config::Restart::kTransient: return !normal;
    case config::Restart::kTemporary: return false;
  }
  return false;
}

}  // namespace

Actions on_event(Lifecycle& life, Event event, Instant now) {
  Actions actions;
  switch (event.type) {
    case EventType::kStart:
      life.goal = Goal::kRun;
      life.down_reason = DownReason::kNone;
      life.announced = false;
      life.intensity.forget();
      break;
    case EventType::kStop:
      life.goal = Goal::kStop;
      life.announced = false;
      life.pausing = false;
      break;
    case EventType::kKeeperAttached:
      if (life.keeper == KeeperStage::kStarting) life.keeper = KeeperStage::kIdle;
      break;
    case EventType::kKeeperRecovered:
      if (life.keeper != KeeperStage::kRecovering) break;
      life.keeper = KeeperStage::kIdle;
      life.recovered = true;
      if (event.refused) go_down(life, DownReason::kRefused);
      break;
    case EventType::kKeeperFailed:
      life.ending_keeper = true;  // it exits by itself
      go_down(life, DownReason::kKeeperFailed);
      break;
    case EventType::kKeeperDied:
      life.keeper = KeeperStage::kNone;
      count_restart(life, now);
      break;
    case EventType::kKeeperTimeout:
      if (life.keeper != KeeperStage::kNone &&
          (life.keeper != KeeperStage::kIdle || life.ending_keeper))
        actions.push_back(Action::kKillKeeper);
      break;
    case EventType::kWorkerReady:
      if (life.worker == WorkerStage::kStarting) life.worker = WorkerStage::kReady;
      break;
    case EventType::kWorkerDied:
      life.worker = WorkerStage::kNone;
      life.recovered = false;
      if (!wants_restart(life.restart, event.normal))
        go_down(life, DownReason::kEnded);
      else
        count_restart(life, now);
      break;
    case EventType::kWorkerTimeout:
    case EventType::kWorkerMisbehaved:
      if (life.worker != WorkerStage::kNone) actions.push_back(Action::kKillWorker);
      life.ending_worker = true;
      break;
    case EventType::kKeeperLaunchFailed:
    case EventType::kWorkerLaunchFailed:
      if (event.type == EventType::kKeeperLaunchFailed) {
        life.keeper = KeeperStage::kNone;
      } else {
        life.worker = WorkerStage::kNone;
        life.recovered = true;  // it never ran
      }
      count_restart(life, now);
      if (life.goal == Goal::kRun) {
        life.pausing = true;
        actions.push_back(Action::kWaitForRetry);
      }
      break;
    case EventType::kRetry: life.pausing = false; break;
  }
  if (life.goal == Goal::kRun)
    advance_to_run(life, actions);
  else
    advance_to_end(life, actions);
  return actions;
}

}  // namespace peeper::daemon
