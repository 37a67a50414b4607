// What a supervisor of OTP's kind decides when one of its children exits: restart which, give up,
// shut itself down, or let it be. Pure, as the time is an argument. It is used twice: over the
// keeper and the worker of one server (lifecycle.hpp), and over servers and groups (tree.hpp). Who
// uses it starts and terminates the children.
//
// Source: https://www.erlang.org/doc/apps/stdlib/supervisor
#pragma once

#include <cstddef>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/supervision/intensity.hpp"

namespace peeper::daemon {

struct SupervisorPolicy {
  config::Strategy strategy = config::Strategy::kOneForOne;
  std::uint32_t max_restarts = 3;
  std::chrono::seconds max_seconds{5};
  config::AutoShutdown auto_shutdown = config::AutoShutdown::kNever;

  bool operator==(const SupervisorPolicy&) const = default;
};

struct ChildPolicy {
  config::Restart restart = config::Restart::kPermanent;
  bool significant = false;

  bool operator==(const ChildPolicy&) const = default;
};

// How a child exited by itself. OTP's reason `shutdown` is that of a supervisor that gives up or
// shuts itself down; to a transient child it is as good as `normal`.
enum class Exit { kCrash, kNormal, kShutdown };

[[nodiscard]] constexpr bool wants_restart(config::Restart restart, Exit exit) {
  switch (restart) {
    case config::Restart::kPermanent: return true;
    case config::Restart::kTransient: return exit == Exit::kCrash;
    case config::Restart::kTemporary: return false;
  }
  return false;
}

class Supervisor {
 public:
  explicit Supervisor(SupervisorPolicy policy)
      : policy_(policy), intensity_(policy.max_restarts, policy.max_seconds) {}

  [[nodiscard]] const SupervisorPolicy& policy() const { return policy_; }
  // The restarts so far are forgotten only if the intensity changes.
  void change_policy(SupervisorPolicy policy) {
    if (policy.max_restarts != policy_.max_restarts || policy.max_seconds != policy_.max_seconds)
      intensity_ = Intensity{policy.max_restarts, policy.max_seconds};
    policy_ = policy;
  }

  // --- Children, in the order of their start -----------------------------------------------------
  void insert(std::size_t index, ChildPolicy child) {
    children_.insert(children_.begin() + static_cast<std::ptrdiff_t>(index), {child, false});
  }
  void erase(std::size_t index) {
    children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(index));
  }
  void set_alive(std::size_t index, bool alive) { children_[index].alive = alive; }

  struct Decision {
    enum class What {
      kLetBe,     // it isn't started again
      kRestart,   // it, and its living siblings in [first, last) are terminated before that
      kGiveUp,    // one restart too many: all are terminated
      kShutDown,  // auto_shutdown: all are terminated
    };
    What what;
    std::size_t first;
    std::size_t last;
  };
  // This child is dead, and nobody had terminated it.
  [[nodiscard]] Decision exited(std::size_t index, Exit exit, Instant now) {
    Child& child = children_[index];
    child.alive = false;
    if (wants_restart(child.policy.restart, exit)) return restart(index, now);
    return {ends_all(child) ? Decision::What::kShutDown : Decision::What::kLetBe, index, index};
  }
  // Which children are restarted with this one, whatever its end. Counts as a restart.
  [[nodiscard]] Decision restart(std::size_t index, Instant now) {
    if (!intensity_.allows_restart(now)) return {Decision::What::kGiveUp, 0, children_.size()};
    switch (policy_.strategy) {
      case config::Strategy::kOneForOne: break;
      case config::Strategy::kOneForAll: return {Decision::What::kRestart, 0, children_.size()};
      case config::Strategy::kRestForOne:
        return {Decision::What::kRestart, index, children_.size()};
    }
    return {Decision::What::kRestart, index, index + 1};
  }

  // As if it had just been started itself.
  void forget_restarts() { intensity_.forget(); }

 private:
  struct Child {
    ChildPolicy policy;
    bool alive;
  };

  [[nodiscard]] bool ends_all(const Child& child) const {
    if (!child.policy.significant) return false;
    switch (policy_.auto_shutdown) {
      case config::AutoShutdown::kNever: return false;
      case config::AutoShutdown::kAnySignificant: return true;
      case config::AutoShutdown::kAllSignificant: break;
    }
    for (const Child& other : children_)
      if (other.policy.significant && other.alive) return false;
    return true;
  }

  SupervisorPolicy policy_;
  Intensity intensity_;
  std::vector<Child> children_;
};

}  // namespace peeper::daemon
