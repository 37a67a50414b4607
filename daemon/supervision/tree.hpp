// The supervision tree over the servers, as a pure state machine: events in, orders to servers out,
// the time as an argument. No system calls, clocks or logs in here.
//
// A supervisor does one thing at a time, as OTP's does: it starts its children in order, each once
// the one before it has started, and terminates them in reverse order, each once the one before it
// is gone. What happens to its other children meanwhile waits its turn.
//
// A server is a supervisor of its own, over keeper and worker (lifecycle.hpp). Of its worker's
// crashes the tree hears only where the strategy above it restarts siblings as well: under
// one_for_one a server comes back by itself, within its own intensity, and neither asks nor counts
// here.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "daemon/supervision/supervisor.hpp"

namespace peeper::daemon {

using NodeId = std::size_t;
inline constexpr NodeId kRoot = 0;

class Tree {
 public:
  enum class Order {
    kStart,
    kHold,  // its worker ends in order, and waits to be started again: a sibling crashed
    kStop,  // all of it ends
  };
  struct Command {
    Order order;
    NodeId server;

    bool operator==(const Command&) const = default;
  };
  enum class Stage {
    kStopped,      // never started, or ended by an order
    kStarting,
    kRunning,
    kTerminating,
    kHeld,         // a server without a worker, that waits for kStart
    kDown,         // ended by itself: a server that gave up or whose worker has ended, a group
  };
  [[nodiscard]] static constexpr bool is_alive(Stage stage) {
    return stage == Stage::kStarting || stage == Stage::kRunning || stage == Stage::kTerminating;
  }
  // Why a supervisor has ended.
  enum class End { kNone, kOrdered, kGaveUp, kAutoShutdown };

  explicit Tree(SupervisorPolicy root);

  // --- Shape -------------------------------------------------------------------------------------
  // Behind its siblings, or at `position` among them. Not started.
  NodeId add_server(NodeId parent, ChildPolicy policy, std::optional<std::size_t> position = {});
  NodeId add_group(NodeId parent, ChildPolicy policy, SupervisorPolicy own,
                   std::optional<std::size_t> position = {});
  // Stopped, or down; a group: empty.
  void remove(NodeId node);
  void change_policy(NodeId group, SupervisorPolicy own) {
    supervisor_of(group).change_policy(own);
  }

  // --- What happens ------------------------------------------------------------------------------
  void start(Instant now);
  void stop(Instant now);
  // The servers' answers to kStart (it takes messages, or is down), kHold (or it is down, by
  // on_down()) and kStop.
  void on_started(NodeId server, Instant now);
  void on_held(NodeId server, Instant now);
  void on_stopped(NodeId server, Instant now);
  // By itself: its worker crashed, or it has been down for its pause, and waits to be started. Only
  // of a server that asks(): all others start again without.
  void on_crashed(NodeId server, Instant now);
  // By itself, and its restart type says that it isn't started again.
  void on_ended(NodeId server, Exit exit, Instant now);
  // By itself, by its own intensity: it may come back later, as on_crashed() or on_back().
  void on_down(NodeId server, Instant now);
  void on_back(NodeId server);

  // --- What people want: OTP's functions of the same names ---------------------------------------
  // Nothing happens unless the supervisor above takes_orders(). Done once stage() says so.
  void terminate_child(NodeId node, Instant now);
  void restart_child(NodeId node, Instant now);

  // In order; each once.
  [[nodiscard]] std::vector<Command> take_commands();

  // --- What is -----------------------------------------------------------------------------------
  [[nodiscard]] Stage stage(NodeId node) const { return nodes_[node].stage; }
  [[nodiscard]] End end(NodeId group) const { return group_of(group).end; }
  // The root has ended: nothing runs any more.
  [[nodiscard]] bool has_ended() const { return nodes_[kRoot].stage == Stage::kStopped && began_; }
  // It lives, and isn't about to end.
  [[nodiscard]] bool takes_orders(NodeId group) const;
  // Nothing is under way in the whole tree.
  [[nodiscard]] bool is_settled() const;
  [[nodiscard]] bool exists(NodeId node) const { return nodes_[node].exists; }
  [[nodiscard]] NodeId parent(NodeId node) const { return nodes_[node].parent; }
  [[nodiscard]] bool is_group(NodeId node) const { return nodes_[node].group.has_value(); }
  [[nodiscard]] const std::vector<NodeId>& children(NodeId group) const {
    return group_of(group).children;
  }
  [[nodiscard]] const ChildPolicy& policy(NodeId node) const { return nodes_[node].policy; }
  // A crash of this server restarts siblings too, and so waits for kStart.
  [[nodiscard]] bool asks(NodeId server) const {
    return supervisor(parent(server)).policy().strategy != config::Strategy::kOneForOne;
  }
  [[nodiscard]] const Supervisor& supervisor(NodeId group) const {
    return group_of(group).supervisor;
  }

 private:
  enum class Doing { kNothing, kStarting, kRestarting, kEnding };
  struct Job {
    enum class What { kExit, kTerminate, kStart };
    What what;
    NodeId child;
    Exit exit;
  };
  struct Termination {
    NodeId child;
    Order order;
  };
  struct Group {
    explicit Group(SupervisorPolicy policy) : supervisor(policy) {}

    Supervisor supervisor;
    std::vector<NodeId> children;
    Doing doing = Doing::kNothing;
    std::vector<Termination> to_terminate;  // the last one is next
    std::vector<NodeId> to_start;           // the last one is next
    std::optional<NodeId> awaited;          // the one child under way
    std::deque<Job> jobs;
    std::optional<Order> ended_by;  // none: by itself
    End end = End::kNone;
  };
  struct Node {
    NodeId parent;
    ChildPolicy policy;
    Stage stage = Stage::kStopped;
    Order terminated_by = Order::kStop;  // with kTerminating
    std::optional<Group> group;
    bool exists = true;
  };

  NodeId add(NodeId parent, Node node, std::optional<std::size_t> position);
  [[nodiscard]] Group& group_of(NodeId node) { return *nodes_[node].group; }
  [[nodiscard]] const Group& group_of(NodeId node) const { return *nodes_[node].group; }
  [[nodiscard]] Supervisor& supervisor_of(NodeId node) { return group_of(node).supervisor; }
  [[nodiscard]] std::size_t index_of(NodeId node) const;
  void set_stage(NodeId node, Stage stage);
  void start_node(NodeId node);
  void terminate_node(NodeId node, Order order);
  void begin_end(NodeId node, Order order);
  void end_by_itself(NodeId node, End why);
  void finish_end(NodeId node);
  void exited(NodeId node, Exit exit);
  void decide(NodeId node, const Supervisor::Decision& decision);
  void forget_exit(NodeId node);
  void run(NodeId node, const Job& job);
  void ask(Job::What what, NodeId node, Instant now);
  void proceed(NodeId node);
  void proceed_all(Instant now);

  std::vector<Node> nodes_;
  std::vector<Command> commands_;
  std::vector<NodeId> awake_;  // groups that may have something to do
  Instant now_{};              // of the event under way
  bool began_ = false;
};

}  // namespace peeper::daemon
