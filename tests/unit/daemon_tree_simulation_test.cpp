// The supervision tree in a simulated world: random trees, servers that answer late, crash, end, go
// down and come back whenever they like, operators that interfere, a clock that the test turns.
// After each event the promises of strategy, order and intensity are checked.
//
// PEEPER_SEED=n replays the one world n, PEEPER_RUNS=n asks for as many worlds.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "daemon/supervision/tree.hpp"

using namespace peeper;
using namespace peeper::daemon;
using namespace std::chrono_literals;
using config::AutoShutdown;
using config::Restart;
using config::Strategy;

namespace {

using Order = Tree::Order;
using Stage = Tree::Stage;

// A server as it really is.
enum class Real { kOff, kStarting, kRunning, kHolding, kHeld, kCrashed, kStopping, kDown, kEnded };

bool lives(Real real) {
  return real == Real::kStarting || real == Real::kRunning || real == Real::kHolding ||
         real == Real::kStopping;
}

class World {
 public:
  explicit World(std::uint64_t seed) : random_(seed), tree_(random_policy()) { grow(kRoot, 0); }

  // Empty: all promises were kept.
  std::string run() {
    tree_.start(now_);
    obey();
    const int events = 20 + below(60);
    for (int i = 0; i < events && broken_.empty(); ++i) {
      now_ += std::chrono::milliseconds{below(1500)};
      happen();
      obey();
    }
    finish_all();
    check_rest();
    tree_.stop(now_);
    obey();
    finish_all();
    if (!tree_.has_ended()) complain("a stopped tree has not ended");
    for (const auto& [id, server] : servers_)
      if (lives(server.real)) complain("a server lives in a tree that has ended");
    return broken_;
  }

 private:
  struct Server {
    Real real = Real::kOff;
    Instant started{};
    bool by_hand = false;  // operators have started or stopped it, and no strategy follows
  };
  struct Crash {
    NodeId child;
    Instant at;
  };

  int below(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  bool chance(int percent) { return below(100) < percent; }

  SupervisorPolicy random_policy() {
    constexpr Strategy kStrategies[] = {Strategy::kOneForOne, Strategy::kOneForAll,
                                        Strategy::kRestForOne};
    constexpr AutoShutdown kAuto[] = {AutoShutdown::kNever, AutoShutdown::kNever,
                                      AutoShutdown::kAnySignificant,
                                      AutoShutdown::kAllSignificant};
    const int most[] = {0, 1, 3, 1'000};
    return {kStrategies[below(3)], static_cast<std::uint32_t>(most[below(4)]),
            std::chrono::seconds{1 + below(5)}, kAuto[below(4)]};
  }
  ChildPolicy random_child(NodeId parent) {
    constexpr Restart kRestarts[] = {Restart::kPermanent, Restart::kPermanent,
                                     Restart::kTransient, Restart::kTemporary};
    ChildPolicy child{kRestarts[below(4)], false};
    child.significant = child.restart != Restart::kPermanent &&
                        tree_.supervisor(parent).policy().auto_shutdown != AutoShutdown::kNever &&
                        chance(50);
    return child;
  }
  void grow(NodeId parent, int depth) {
    const int children = 1 + below(4);
    for (int i = 0; i < children; ++i) {
      if (depth < 2 && chance(30)) {
        const NodeId group = tree_.add_group(parent, random_child(parent), random_policy());
        grow(group, depth + 1);
      } else {
        servers_[tree_.add_server(parent, random_child(parent))] = {};
      }
    }
  }

  // --- Events ------------------------------------------------------------------------------------
  NodeId any_server() {
    auto it = servers_.begin();
    std::advance(it, below(static_cast<int>(servers_.size())));
    return it->first;
  }
  void happen() {
    if (servers_.empty()) return;
    const NodeId id = any_server();
    Server& server = servers_[id];
    switch (below(12)) {
      case 0:
      case 1:
      case 2:
      case 3: return answer(id);
      case 4:
      case 5:
      case 6: return crash(id);
      case 7: return end(id);
      case 8: return go_down_or_come_back(id);
      case 9:
        server.by_hand = true;
        return tree_.restart_child(id, now_);
      case 10:
        server.by_hand = true;
        return tree_.terminate_child(id, now_);
      case 11: return reconfigure(id);
    }
  }
  void answer(NodeId id) {
    Server& server = servers_[id];
    switch (server.real) {
      case Real::kStarting:
        server.real = Real::kRunning;
        return tree_.on_started(id, now_);
      case Real::kHolding: server.real = Real::kHeld; return tree_.on_held(id, now_);
      case Real::kStopping: server.real = Real::kOff; return tree_.on_stopped(id, now_);
      default: return;
    }
  }
  void crash(NodeId id) {
    Server& server = servers_[id];
    if (server.real != Real::kRunning) return;
    if (tree_.policy(id).restart == Restart::kTemporary) return end(id);
    if (!tree_.asks(id)) return;  // it comes back without anybody hearing of it
    server.real = Real::kCrashed;
    crashes_.push_back({id, now_});
    tree_.on_crashed(id, now_);
  }
  void end(NodeId id) {
    Server& server = servers_[id];
    if (server.real != Real::kRunning || tree_.policy(id).restart == Restart::kPermanent) return;
    server.real = Real::kEnded;
    tree_.on_ended(id, Exit::kNormal, now_);
  }
  void go_down_or_come_back(NodeId id) {
    Server& server = servers_[id];
    // One that is held too: by its keeper's deaths.
    if (server.real == Real::kRunning || server.real == Real::kStarting ||
        server.real == Real::kHolding) {
      server.real = Real::kDown;
      tree_.on_down(id, now_);
    } else if (tree_.policy(id).restart == Restart::kTemporary) {
      return;  // one that is never restarted doesn't try by itself
    } else if (server.real == Real::kDown && tree_.asks(id)) {
      server.real = Real::kCrashed;
      tree_.on_crashed(id, now_);
    } else if (server.real == Real::kDown) {
      server.real = Real::kRunning;
      tree_.on_back(id);
    }
  }
  void reconfigure(NodeId id) {
    const NodeId parent = tree_.parent(id);
    if (chance(50)) {
      SupervisorPolicy policy = tree_.supervisor(parent).policy();
      policy.strategy = random_policy().strategy;
      changed_ = true;
      return tree_.change_policy(parent, policy);
    }
    const Server& server = servers_[id];
    if (tree_.stage(id) == Stage::kStopped && server.real == Real::kOff) {
      tree_.remove(id);
      servers_.erase(id);
    } else if (tree_.takes_orders(parent)) {
      const auto siblings = static_cast<int>(tree_.children(parent).size());
      const NodeId fresh = tree_.add_server(parent, random_child(parent),
                                            static_cast<std::size_t>(below(siblings + 1)));
      servers_[fresh].by_hand = true;
      tree_.restart_child(fresh, now_);
    }
  }

  // --- Promises ----------------------------------------------------------------------------------
  void complain(const std::string& what) {
    if (broken_.empty()) broken_ = what;
  }
  void obey() {
    for (const Tree::Command& command : tree_.take_commands()) {
      Server& server = servers_.at(command.server);
      check_order(command, server);
      switch (command.order) {
        case Order::kStart:
          server.real = Real::kStarting;
          server.started = now_;
          break;
        case Order::kHold: server.real = Real::kHolding; break;
        case Order::kStop: server.real = Real::kStopping; break;
      }
    }
  }
  void check_order(const Tree::Command& command, const Server& server) {
    if (server.real == Real::kHolding || server.real == Real::kStopping)
      complain("a server is told something while it is being terminated");
    const NodeId parent = tree_.parent(command.server);
    if (command.order == Order::kStart) {
      if (lives(server.real)) complain("a server that lives is started");
      check_start(command.server, server);
    }
    if (command.order == Order::kHold) {
      if (!lives(server.real)) complain("a server that is dead is held");
      check_hold(command.server);
    }
    for (const NodeId sibling : tree_.children(parent))
      if (sibling != command.server && !tree_.is_group(sibling) && is_on_its_way(sibling, command))
        complain("two children of a supervisor are under way at once");
  }
  // An end need not wait for one that only starts.
  bool is_on_its_way(NodeId sibling, const Tree::Command& command) {
    const Real real = servers_.at(sibling).real;
    return real == Real::kHolding || real == Real::kStopping ||
           (real == Real::kStarting && command.order == Order::kStart);
  }
  void check_start(NodeId id, const Server& server) {
    for (NodeId above = tree_.parent(id);; above = tree_.parent(above)) {
      const Stage stage = tree_.stage(above);
      // It may have been told to end a moment after.
      if (stage == Stage::kStopped || stage == Stage::kDown || stage == Stage::kHeld)
        complain("a server is started below a supervisor that doesn't run");
      if (above == kRoot) break;
    }
    // What was started after it is gone first, where the strategy says so.
    const NodeId parent = tree_.parent(id);
    if (server.by_hand || changed_ || !tree_.asks(id)) return;
    bool after = false;
    for (const NodeId sibling : tree_.children(parent)) {
      if (sibling == id) after = true;
      if (sibling == id || !after || tree_.is_group(sibling)) continue;
      if (lives(servers_.at(sibling).real) && servers_.at(sibling).started != now_)
        complain("a server is started while one that comes after it lives");
    }
  }
  // Only a strategy holds: that of its own supervisor, or of one above.
  void check_hold(NodeId id) {
    for (NodeId node = id;; node = tree_.parent(node)) {
      const NodeId above = tree_.parent(node);
      if (tree_.supervisor(above).policy().strategy != Strategy::kOneForOne || changed_) return;
      if (above == kRoot) break;
    }
    complain("a server is held, and no strategy above it restarts siblings");
  }

  // Everybody answers, and nothing else happens.
  void finish_all() {
    for (int round = 0; round < 10'000; ++round) {
      bool answered = false;
      for (auto& [id, server] : servers_) {
        if (server.real != Real::kStarting && server.real != Real::kHolding &&
            server.real != Real::kStopping)
          continue;
        answer(id);
        obey();
        answered = true;
        break;
      }
      if (!answered) break;
    }
    if (!tree_.is_settled()) complain("the tree waits for something that nobody owes");
  }
  bool runs(NodeId node) {
    for (; node != kRoot; node = tree_.parent(node))
      if (tree_.stage(node) != Stage::kRunning) return false;
    return tree_.stage(kRoot) == Stage::kRunning;
  }
  void check_rest() {
    for (const auto& [id, server] : servers_) {
      const bool parent_runs = runs(tree_.parent(id));
      if (!parent_runs && lives(server.real)) complain("a server lives below a dead supervisor");
      if (parent_runs && (server.real == Real::kCrashed || server.real == Real::kHeld))
        complain("a server that crashed is never started again");
      const Stage stage = tree_.stage(id);
      if ((stage == Stage::kRunning) != (server.real == Real::kRunning))
        complain("the tree has a wrong idea of a server");
    }
    for (const Crash& crash : crashes_) check_crash(crash);
  }
  // Whoever the strategy restarts was started after the crash.
  void check_crash(const Crash& crash) {
    const auto found = servers_.find(crash.child);
    if (found == servers_.end() || found->second.by_hand || changed_) return;
    const NodeId parent = tree_.parent(crash.child);
    if (!runs(parent)) return;
    bool affected = tree_.supervisor(parent).policy().strategy == Strategy::kOneForAll;
    for (const NodeId sibling : tree_.children(parent)) {
      if (sibling == crash.child) affected = true;
      if (!affected || tree_.is_group(sibling)) continue;
      const Server& server = servers_.at(sibling);
      if (server.real == Real::kRunning && server.started < crash.at)
        complain("a strategy left out a server that it restarts");
    }
  }

  std::mt19937_64 random_;
  Instant now_{};
  Tree tree_;
  std::map<NodeId, Server> servers_;
  std::vector<Crash> crashes_;
  bool changed_ = false;  // a strategy, in the middle
  std::string broken_;
};

std::uint64_t number(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace

TEST_CASE("simulation: 100 000 worlds of crashes, delays and reconfigurations keep the promises") {
  const std::uint64_t only = number("PEEPER_SEED", 0);
  const std::uint64_t runs = only != 0 ? 1 : number("PEEPER_RUNS", 100'000);
  for (std::uint64_t i = 0; i < runs; ++i) {
    const std::uint64_t seed = only != 0 ? only : i + 1;
    const std::string broken = World{seed}.run();
    if (broken.empty()) continue;
    FAIL(broken, "; to replay it: PEEPER_SEED=", seed);
  }
}
