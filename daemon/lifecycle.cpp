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
      if (life.upgrade == UpgradeStage::kHandedOver) {
        life.upgrade = UpgradeStage::kStarting;
        actions.push_back(Action::kLaunchUpgraded);
      } else {
        actions.push_back(Action::kLaunchWorker);
      }
    }
  }
}

// While it shall not: the next thing that is still there. The last recovery is for the caller of
// the message in flight, and for replies between their commit and their ring; if there is no keeper
// for it, one is started, once.
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
      if (life.owes_recovery && !life.ending_keeper) return;
      if (!std::exchange(life.ending_keeper, true)) actions.push_back(Action::kStopKeeper);
      return;
    case KeeperStage::kRecovering: return;
    case KeeperStage::kNone:
      if (life.owes_recovery && !std::exchange(life.tried_last, true)) {
        life.keeper = KeeperStage::kStarting;
        life.ending_keeper = false;
        actions.push_back(Action::kLaunchKeeper);
        return;
      }
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

void end_upgrade(Lifecycle& life, Action how, Actions& actions) {
  life.upgrade = UpgradeStage::kNone;
  actions.push_back(how);
}

void begin_upgrade(Lifecycle& life, Actions& actions) {
  if (life.goal != Goal::kRun || life.upgrade != UpgradeStage::kNone) return;
  life.hand_over_cut_short = false;
  if (life.worker == WorkerStage::kNone) {
    life.upgrade = UpgradeStage::kHandedOver;
  } else if (life.worker == WorkerStage::kReady && !life.ending_worker) {
    life.upgrade = UpgradeStage::kHandingOver;
    actions.push_back(Action::kHandOver);
  } else {
    life.upgrade = UpgradeStage::kWaiting;
  }
}

void on_worker_ready(Lifecycle& life, Actions& actions) {
  if (life.worker != WorkerStage::kStarting) return;
  life.worker = WorkerStage::kReady;
  if (life.goal != Goal::kRun) return;
  if (life.upgrade == UpgradeStage::kStarting) {
    end_upgrade(life, Action::kUpgraded, actions);
  } else if (life.upgrade == UpgradeStage::kWaiting && !life.ending_worker) {
    life.upgrade = UpgradeStage::kHandingOver;
    actions.push_back(Action::kHandOver);
  }
}

// A worker that ended for the code change's sake has not crashed. One that crashed meanwhile has:
// whether there is a next one is decided as ever, only that it has the new code.
void on_worker_died(Lifecycle& life, const Event& event, Instant now) {
  life.worker = WorkerStage::kNone;
  life.recovered = false;
  life.owes_recovery = true;
  switch (life.upgrade) {
    case UpgradeStage::kStarting:
      life.upgrade = event.committed ? UpgradeStage::kKept : UpgradeStage::kUndone;
      if (!event.committed) return;
      break;
    case UpgradeStage::kHandingOver:
      life.upgrade = UpgradeStage::kHandedOver;
      if (event.normal || life.hand_over_cut_short) return;
      break;
    case UpgradeStage::kWaiting: life.upgrade = UpgradeStage::kHandedOver; break;
    case UpgradeStage::kNone:
    case UpgradeStage::kHandedOver:
    case UpgradeStage::kUndone:
    case UpgradeStage::kKept: break;
  }
  if (!wants_restart(life.restart, event.normal))
    go_down(life, DownReason::kEnded);
  else
    count_restart(life, now);
}

void on_recovered(Lifecycle& life, const Event& event, Actions& actions) {
  if (life.keeper != KeeperStage::kRecovering) return;
  life.keeper = KeeperStage::kIdle;
  life.recovered = true;
  life.owes_recovery = false;
  if (life.goal != Goal::kRun) return;
  switch (life.upgrade) {
    // Who refused was the new code, and the old one goes on; or the old one, and the new one may do
    // better.
    case UpgradeStage::kUndone: return end_upgrade(life, Action::kUpgradeUndone, actions);
    case UpgradeStage::kHandedOver: return;
    case UpgradeStage::kKept: end_upgrade(life, Action::kUpgradeKept, actions); break;
    case UpgradeStage::kNone:
    case UpgradeStage::kWaiting:
    case UpgradeStage::kHandingOver:
    case UpgradeStage::kStarting: break;
  }
  if (event.refused) go_down(life, DownReason::kRefused);
}

void on_upgrade_timeout(Lifecycle& life, Actions& actions) {
  switch (life.upgrade) {
    case UpgradeStage::kWaiting:  // nothing was done yet
      return end_upgrade(life, Action::kUpgradeUndone, actions);
    case UpgradeStage::kHandingOver: life.hand_over_cut_short = true; [[fallthrough]];
    case UpgradeStage::kStarting:
      if (life.worker == WorkerStage::kNone) return;
      actions.push_back(Action::kKillWorker);
      life.ending_worker = true;
      return;
    case UpgradeStage::kNone:
    case UpgradeStage::kHandedOver:  // the keeper has a time of its own
    case UpgradeStage::kUndone:
    case UpgradeStage::kKept: return;
  }
}

void on_launch_failed(Lifecycle& life, EventType what, Instant now, Actions& actions) {
  const bool of_new_code =
      what == EventType::kWorkerLaunchFailed && life.upgrade == UpgradeStage::kStarting;
  if (what == EventType::kKeeperLaunchFailed) {
    life.keeper = KeeperStage::kNone;
  } else {
    // Not "it never ran": a process that could not be watched is killed, and was one until then.
    life.worker = WorkerStage::kNone;
    life.recovered = false;
    life.owes_recovery = true;
  }
  if (of_new_code && life.goal == Goal::kRun)
    end_upgrade(life, Action::kUpgradeUndone, actions);
  else
    count_restart(life, now);
  if (life.goal == Goal::kRun) {
    life.pausing = true;
    actions.push_back(Action::kWaitForRetry);
  }
}

}  // namespace

StandbyWish standby_wish(const Lifecycle& life) {
  if (life.goal != Goal::kRun || life.upgrade != UpgradeStage::kNone) return StandbyWish::kNone;
  return life.worker == WorkerStage::kReady && !life.ending_worker ? StandbyWish::kPrepare
                                                                   : StandbyWish::kKeep;
}

Actions on_event(Lifecycle& life, Event event, Instant now) {
  Actions actions;
  switch (event.type) {
    case EventType::kStart:
      life.goal = Goal::kRun;
      life.down_reason = DownReason::kNone;
      life.announced = false;
      life.tried_last = false;
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
    case EventType::kKeeperRecovered: on_recovered(life, event, actions); break;
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
    case EventType::kWorkerReady: on_worker_ready(life, actions); break;
    case EventType::kWorkerDied: on_worker_died(life, event, now); break;
    case EventType::kWorkerTimeout:
    case EventType::kWorkerMisbehaved:
      if (life.worker != WorkerStage::kNone) actions.push_back(Action::kKillWorker);
      life.ending_worker = true;
      break;
    case EventType::kUpgrade: begin_upgrade(life, actions); break;
    case EventType::kUpgradeTimeout: on_upgrade_timeout(life, actions); break;
    case EventType::kKeeperLaunchFailed:
    case EventType::kWorkerLaunchFailed: on_launch_failed(life, event.type, now, actions); break;
    case EventType::kRetry: life.pausing = false; break;
  }
  if (life.goal != Goal::kRun && life.upgrade != UpgradeStage::kNone)
    end_upgrade(life,
                life.upgrade == UpgradeStage::kKept ? Action::kUpgradeKept : Action::kUpgradeUndone,
                actions);
  if (life.goal == Goal::kRun)
    advance_to_run(life, actions);
  else
    advance_to_end(life, actions);
  return actions;
}

}  // namespace peeper::daemon
