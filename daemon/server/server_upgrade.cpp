// Server's code change: the worker handed over, the new code started, its caller told.
#include <spdlog/spdlog.h>

#include <csignal>

#include "common/check.hpp"
#include "daemon/server/server.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {

void Server::change_code(Upgrade upgrade) {
  PEEPER_CHECK(!upgrade_ && life_.goal == Goal::kRun, "a code change that can't be");
  spdlog::info("server {}: its code is to change to {}", name(), upgrade.library.string());
  upgrade_ = std::move(upgrade);
  watch_upgrade();
  happen({EventType::kUpgrade});
}

// Each stage has the whole time for itself.
void Server::watch_upgrade() {
  upgrade_->timed_out = false;
  upgrade_timer_.expires_after(upgrade_->timeout);
  upgrade_timer_.async_wait([this](boost::system::error_code error) {
    // One that was due when the next stage began says nothing of that.
    if (error || !upgrade_ || upgrade_timer_.expiry() > std::chrono::steady_clock::now()) return;
    upgrade_->timed_out = true;
    happen({EventType::kUpgradeTimeout});
  });
}

void Server::hand_over() {
  rings_->segment().control().worker.stop_mode.store(segment::StopMode::kHandOver,
                                                     std::memory_order_release);
  watch_upgrade();
  worker_->signal(SIGTERM);
  worker_->signal(SIGCONT);  // a stopped one must hear it
}

void Server::launch_upgraded() {
  segment::Header& header = rings_->segment().header();
  upgrade_->header_mark = header.behaviour[0];
  // No keeper refuses the segment any more, whether the configuration follows or not; which code
  // fits is the State's to say. One byte, so that whoever reads it meanwhile sees one or the other.
  if (upgrade_->behaviour != section_.behaviour) header.behaviour[0] = '\0';
  upgrade_->sequence = rings_->segment().control().committed.load(std::memory_order_acquire);
  upgrade_->begun = true;
  std::swap(library_, upgrade_->library);
  watch_upgrade();
  launch_worker();
}

bool Server::has_new_code_committed() const {
  return upgrade_ && upgrade_->begun &&
         rings_->segment().control().committed.load(std::memory_order_acquire) !=
             upgrade_->sequence;
}

void Server::end_upgrade(Action how) {
  upgrade_timer_.cancel();
  Upgrade upgrade = *std::exchange(upgrade_, std::nullopt);
  std::string answer;
  if (how != Action::kUpgradeUndone) behaviour_ = upgrade.behaviour;
  switch (how) {
    case Action::kUpgraded:
      spdlog::info("server {}: its code is now {}; peeperd's configuration should say "
                   "behaviour = \"{}\" before its next start",
                   name(), library_.string(), upgrade.behaviour);
      if (debug_.on()) debug_.happened("changed its code to " + library_.string());
      answer = status_value("OK");
      break;
    case Action::kUpgradeKept:
      spdlog::error("server {}: its code is now {}, which died as it started: {}", name(),
                    library_.string(), upgrade.cause);
      answer = error_value(life_.goal == Goal::kRun
                               ? "ERR the new code has committed, and then died as it started: " +
                                     upgrade.cause + "; it is started again"
                               : down_text());
      break;
    case Action::kUpgradeUndone:
      answer = error_value(undone_text(upgrade));
      if (upgrade.begun) {
        std::swap(library_, upgrade.library);
        // If the server ends, the new code may still live, and commit: then only the State says
        // which code fits.
        if (life_.goal == Goal::kRun)
          rings_->segment().header().behaviour[0] = upgrade.header_mark;
      }
      if (life_.goal == Goal::kRun)
        spdlog::warn("server {}: {}", name(), undone_text(upgrade));
      break;
    default: PEEPER_CHECK(false, "no end of a code change");
  }
  if (upgrade.begun) watch_.renew();
  if (upgrade.caller.sink) upgrade.caller.sink->deliver(upgrade.caller.slot, answer);
}

std::string Server::undone_text(const Upgrade& upgrade) const {
  if (life_.goal != Goal::kRun) return down_text();
  const std::string in_time = " within " + std::to_string(upgrade.timeout.count()) + " ms";
  std::string cause = upgrade.cause;
  if (upgrade.timed_out)
    cause = upgrade.begun ? "the new code was not ready" + in_time
                          : "its worker did not start" + in_time;
  return "ERR code change failed: " + cause + "; the old code goes on";
}

}  // namespace peeper::daemon
