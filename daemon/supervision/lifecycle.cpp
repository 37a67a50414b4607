#include "daemon/supervision/lifecycle.hpp"

#include <utility>

namespace peeper::daemon {
namespace {

constexpr std::size_t kKeeperChild = 0;
constexpr std::size_t kWorkerChild = 1;
// So long without a death, and the pauses begin anew.
constexpr std::chrono::minutes kHealthy{1};

bool is_wanted(const Lifecycle& life) {
  return life.goal == Goal::kRun || life.goal == Goal::kHold;
}

void go_down(Lifecycle& life, DownReason reason) {
  if (!is_wanted(life)) return;
  life.goal = Goal::kDown;
  life.down_reason = reason;
  life.announced = false;
  life.coming_back = false;
  life.renews_worker = false;
  life.renews_keeper = false;
}

// OTP's supervisor that isn't told to shut itself down lives on when a child has ended: the keeper
// stays, as long as it can.
bool keeps_keeper(const Lifecycle& life) {
  return life.goal == Goal::kDown && life.down_reason == DownReason::kEnded;
}

// All the deaths that were too many came with nothing handled in between.
bool is_in_crash_loop(const Lifecycle& life) {
  return life.fruitless > life.policy.supervisor.max_restarts;
}

bool has_supervisor(const Lifecycle& life) { return is_wanted(life) || keeps_keeper(life); }

void give_up(Lifecycle& life, std::size_t child) {
  if (child == kWorkerChild && is_in_crash_loop(life) && life.policy.may_begin_anew &&
      !std::exchange(life.began_anew, true)) {
    life.begins_anew = true;
    life.recovered = false;
    return life.supervisor.forget_restarts();
  }
  if (keeps_keeper(life)) life.down_reason = DownReason::kIntensity;
  go_down(life, DownReason::kIntensity);
}

// What the supervisor says of this child's end; the child itself is restarted by advance().
void follow(Lifecycle& life, std::size_t child, const Supervisor::Decision& decision) {
  switch (decision.what) {
    case Supervisor::Decision::What::kLetBe: return go_down(life, DownReason::kEnded);
    case Supervisor::Decision::What::kShutDown: return go_down(life, DownReason::kShutDown);
    case Supervisor::Decision::What::kGiveUp: return give_up(life, child);
    case Supervisor::Decision::What::kRestart: break;
  }
  if (child == kKeeperChild && decision.last > kWorkerChild && life.worker != WorkerStage::kNone)
    life.renews_worker = true;
  if (child == kWorkerChild && decision.first == kKeeperChild &&
      life.keeper != KeeperStage::kNone)
    life.renews_keeper = true;
}

void launch_keeper(Lifecycle& life, Actions& actions) {
  life.keeper = KeeperStage::kStarting;
  life.ending_keeper = false;
  actions.push_back(Action::kLaunchKeeper);
}

void ask_recovery(Lifecycle& life, Actions& actions) {
  life.keeper = KeeperStage::kRecovering;
  actions.push_back(Action::kAskRecovery);
}

void stop_worker(Lifecycle& life, Action how, Actions& actions) {
  life.ordered_end = true;
  if (!std::exchange(life.ending_worker, true)) actions.push_back(how);
}

void stop_keeper(Lifecycle& life, Actions& actions) {
  if (!std::exchange(life.ending_keeper, true)) actions.push_back(Action::kStopKeeper);
}

void launch_worker(Lifecycle& life, Actions& actions) {
  life.worker = WorkerStage::kStarting;
  life.recovered = false;
  life.ending_worker = false;
  life.ordered_end = false;
  if (life.upgrade == UpgradeStage::kHandedOver) {
    life.upgrade = UpgradeStage::kStarting;
    actions.push_back(Action::kLaunchUpgraded);
  } else {
    actions.push_back(Action::kLaunchWorker);
  }
}

// While the server shall run, or be held: the next thing that is missing, or has to go.
void advance(Lifecycle& life, Actions& actions) {
  if (life.pausing) return;
  if (life.worker != WorkerStage::kNone && (life.renews_worker || life.goal == Goal::kHold))
    return stop_worker(life, Action::kStopWorker, actions);
  if (life.keeper != KeeperStage::kNone && life.renews_keeper) return stop_keeper(life, actions);
  if (life.keeper == KeeperStage::kNone) return launch_keeper(life, actions);
  if (life.ending_keeper) return;
  if (life.keeper != KeeperStage::kIdle || life.worker != WorkerStage::kNone) return;
  if (!life.recovered) return ask_recovery(life, actions);
  if (life.goal == Goal::kRun) return launch_worker(life, actions);
  if (!std::exchange(life.announced, true)) actions.push_back(Action::kAnnounceHeld);
}

bool ends_in_order(const Lifecycle& life) {
  return life.goal == Goal::kStop || life.down_reason == DownReason::kTerminated ||
         life.down_reason == DownReason::kGroupEnded;
}

bool comes_back(const Lifecycle& life) {
  if (life.goal != Goal::kDown || !life.policy.retry.first ||
      life.policy.restart == config::Restart::kTemporary)
    return false;
  return life.down_reason == DownReason::kIntensity || life.down_reason == DownReason::kRefused ||
         life.down_reason == DownReason::kKeeperFailed;
}

void announce_end(Lifecycle& life, Actions& actions) {
  if (std::exchange(life.announced, true)) return;
  if (life.goal == Goal::kStop) return actions.push_back(Action::kAnnounceStopped);
  actions.push_back(Action::kAnnounceDown);
  if (!comes_back(life)) return;
  life.comeback_delay = life.policy.retry.delay(life.comebacks++);
  actions.push_back(Action::kWaitForComeback);
}

// While it shall not: the next thing that is still there. The last recovery is for the caller of
// the message in flight, and for replies between their commit and their ring; if there is no keeper
// for it, one is started, once.
void advance_to_end(Lifecycle& life, Actions& actions) {
  if (life.worker != WorkerStage::kNone)
    return stop_worker(life, ends_in_order(life) ? Action::kStopWorker : Action::kKillWorker,
                       actions);
  switch (life.keeper) {
    case KeeperStage::kIdle:
      if (!life.recovered && !life.ending_keeper) return ask_recovery(life, actions);
      if (keeps_keeper(life) && !life.ending_keeper) return announce_end(life, actions);
      return stop_keeper(life, actions);
    case KeeperStage::kStarting:
      if ((life.owes_recovery || keeps_keeper(life)) && !life.ending_keeper) return;
      return stop_keeper(life, actions);
    case KeeperStage::kRecovering: return;
    case KeeperStage::kNone:
      if (life.pausing) return;
      if (keeps_keeper(life)) return launch_keeper(life, actions);
      if (life.owes_recovery && !std::exchange(life.tried_last, true))
        return launch_keeper(life, actions);
      return announce_end(life, actions);
  }
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

void on_worker_ready(Lifecycle& life, Instant now, Actions& actions) {
  if (life.worker != WorkerStage::kStarting) return;
  life.worker = WorkerStage::kReady;
  life.ready_since = now;
  if (std::exchange(life.coming_back, false)) {
    life.down_reason = DownReason::kNone;
    actions.push_back(Action::kAnnounceBack);
  }
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
void on_worker_died(Lifecycle& life, const Event& event, Instant now, Actions& actions) {
  life.worker = WorkerStage::kNone;
  if (life.ready_since && now - *life.ready_since >= kHealthy) {
    life.comebacks = 0;
    life.began_anew = false;
  }
  life.ready_since.reset();
  life.fruitless = event.progressed ? 1 : life.fruitless + 1;
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
  if (life.goal != Goal::kRun) return;
  life.renews_worker = false;
  if (life.ordered_end) return;
  const Exit exit = event.normal ? Exit::kNormal : Exit::kCrash;
  follow(life, kWorkerChild, life.supervisor.exited(kWorkerChild, exit, now));
  if (life.goal != Goal::kRun || !life.policy.asks) return;
  life.goal = Goal::kHold;
  life.announced = false;
  actions.push_back(Action::kAskSupervision);
}

// One that was stopped because the server ends, or by the strategy, has not crashed. One that a
// listener took along is replaced, and that is all: no restart is counted, and the worker isn't
// renewed, whatever the strategy. How often that may be is listener_fates.hpp's to say.
void on_keeper_died(Lifecycle& life, const Event& event, Instant now) {
  life.keeper = KeeperStage::kNone;
  life.renews_keeper = false;
  if (std::exchange(life.ending_keeper, false) || !has_supervisor(life) || event.of_listener)
    return;
  follow(life, kKeeperChild, life.supervisor.exited(kKeeperChild, Exit::kCrash, now));
}

void on_keeper_failed(Lifecycle& life) {
  life.ending_keeper = true;  // it exits by itself
  if (keeps_keeper(life)) life.down_reason = DownReason::kKeeperFailed;
  go_down(life, DownReason::kKeeperFailed);
}

void begin(Lifecycle& life) {
  life.goal = Goal::kRun;
  life.down_reason = DownReason::kNone;
  life.announced = false;
  life.tried_last = false;
  life.coming_back = false;
  life.recovered = false;  // somebody may have removed the segment meanwhile
  life.supervisor.forget_restarts();
}

void come_back(Lifecycle& life, Actions& actions) {
  if (!comes_back(life) || !life.announced) return;
  if (life.policy.asks) return actions.push_back(Action::kAskSupervision);
  const DownReason reason = life.down_reason;
  begin(life);
  life.down_reason = reason;  // what others are told until it is back
  life.coming_back = true;
}

void end_by_order(Lifecycle& life, Goal goal, DownReason reason) {
  life.goal = goal;
  life.down_reason = reason;
  life.announced = false;
  life.pausing = false;
  life.coming_back = false;
  life.renews_worker = false;
  life.renews_keeper = false;
  life.comebacks = 0;
}

void on_recovered(Lifecycle& life, const Event& event, Actions& actions) {
  if (life.keeper != KeeperStage::kRecovering) return;
  life.keeper = KeeperStage::kIdle;
  life.recovered = true;
  life.owes_recovery = false;
  life.begins_anew = false;
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
  if (of_new_code && life.goal == Goal::kRun) {
    end_upgrade(life, Action::kUpgradeUndone, actions);
  } else if (has_supervisor(life)) {
    const std::size_t child =
        what == EventType::kKeeperLaunchFailed ? kKeeperChild : kWorkerChild;
    follow(life, child, life.supervisor.restart(child, now));
  }
  if (has_supervisor(life)) {
    life.pausing = true;
    actions.push_back(Action::kWaitForRetry);
  }
}

}  // namespace

Lifecycle::Lifecycle(LifePolicy its_policy)
    : policy(its_policy), supervisor(its_policy.supervisor) {
  supervisor.insert(kKeeperChild, {config::Restart::kPermanent, false});
  supervisor.insert(kWorkerChild, {policy.restart, true});
}

StandbyWish standby_wish(const Lifecycle& life) {
  if (!is_wanted(life) || life.upgrade != UpgradeStage::kNone) return StandbyWish::kNone;
  return life.worker == WorkerStage::kReady && !life.ending_worker ? StandbyWish::kPrepare
                                                                   : StandbyWish::kKeep;
}

Actions on_event(Lifecycle& life, Event event, Instant now) {
  Actions actions;
  switch (event.type) {
    case EventType::kStart:
      begin(life);
      life.comebacks = 0;
      break;
    case EventType::kStop: end_by_order(life, Goal::kStop, life.down_reason); break;
    case EventType::kTerminate:
      end_by_order(life, Goal::kDown,
                   event.with_group ? DownReason::kGroupEnded : DownReason::kTerminated);
      break;
    case EventType::kHold:
      if (!is_wanted(life)) break;
      life.goal = Goal::kHold;
      life.announced = false;
      break;
    case EventType::kRelease:
      if (life.goal == Goal::kHold) life.goal = Goal::kRun;
      break;
    case EventType::kComeBack: come_back(life, actions); break;
    case EventType::kKeeperAttached:
      if (life.keeper == KeeperStage::kStarting) life.keeper = KeeperStage::kIdle;
      break;
    case EventType::kKeeperRecovered: on_recovered(life, event, actions); break;
    case EventType::kKeeperFailed: on_keeper_failed(life); break;
    case EventType::kKeeperDied: on_keeper_died(life, event, now); break;
    case EventType::kKeeperTimeout:
      if (life.keeper != KeeperStage::kNone &&
          (life.keeper != KeeperStage::kIdle || life.ending_keeper))
        actions.push_back(Action::kKillKeeper);
      break;
    case EventType::kWorkerReady: on_worker_ready(life, now, actions); break;
    case EventType::kWorkerDied: on_worker_died(life, event, now, actions); break;
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
  if (is_wanted(life))
    advance(life, actions);
  else
    advance_to_end(life, actions);
  return actions;
}

}  // namespace peeper::daemon
