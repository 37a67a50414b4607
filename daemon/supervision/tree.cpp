#include "daemon/supervision/tree.hpp"

#include <algorithm>
#include <utility>

#include "common/check.hpp"

namespace peeper::daemon {
namespace {

// What is held, or down and may come back, is to be told of a stop, but has nothing left to hold.
bool is_touched_by(Tree::Order order, Tree::Stage stage) {
  return order == Tree::Order::kStop ? stage != Tree::Stage::kStopped : Tree::is_alive(stage);
}

}  // namespace

Tree::Tree(SupervisorPolicy root) {
  Node node{.parent = kRoot, .policy = {}, .group = Group{root}};
  nodes_.push_back(std::move(node));
}

// --- Shape ---------------------------------------------------------------------------------------

NodeId Tree::add(NodeId parent, Node node, std::optional<std::size_t> position) {
  const NodeId id = nodes_.size();
  const ChildPolicy policy = node.policy;
  nodes_.push_back(std::move(node));
  Group& group = group_of(parent);
  const std::size_t index = std::min(position.value_or(group.children.size()),
                                     group.children.size());
  group.children.insert(group.children.begin() + static_cast<std::ptrdiff_t>(index), id);
  group.supervisor.insert(index, policy);
  return id;
}

NodeId Tree::add_server(NodeId parent, ChildPolicy policy, std::optional<std::size_t> position) {
  return add(parent, {.parent = parent, .policy = policy, .group = {}}, position);
}

NodeId Tree::add_group(NodeId parent, ChildPolicy policy, SupervisorPolicy own,
                       std::optional<std::size_t> position) {
  return add(parent, {.parent = parent, .policy = policy, .group = Group{own}}, position);
}

void Tree::remove(NodeId node) {
  PEEPER_CHECK(node != kRoot && !is_alive(stage(node)), "a child that lives is removed");
  Group& group = group_of(parent(node));
  const std::size_t index = index_of(node);
  group.children.erase(group.children.begin() + static_cast<std::ptrdiff_t>(index));
  group.supervisor.erase(index);
  std::erase_if(group.jobs, [node](const Job& job) { return job.child == node; });
  std::erase(group.to_start, node);
  std::erase_if(group.to_terminate, [node](const Termination& t) { return t.child == node; });
  nodes_[node].exists = false;
}

std::size_t Tree::index_of(NodeId node) const {
  const std::vector<NodeId>& siblings = group_of(parent(node)).children;
  return static_cast<std::size_t>(std::ranges::find(siblings, node) - siblings.begin());
}

void Tree::set_stage(NodeId node, Stage stage) {
  nodes_[node].stage = stage;
  if (node != kRoot) supervisor_of(parent(node)).set_alive(index_of(node), is_alive(stage));
}

// --- One node ------------------------------------------------------------------------------------

// It is started or terminated, which its exit was to lead to.
void Tree::forget_exit(NodeId node) {
  std::erase_if(group_of(parent(node)).jobs, [node](const Job& job) {
    return job.child == node && job.what == Job::What::kExit;
  });
}

void Tree::start_node(NodeId node) {
  if (node != kRoot) forget_exit(node);
  set_stage(node, Stage::kStarting);
  if (!is_group(node)) return commands_.push_back({Order::kStart, node});
  Group& group = group_of(node);
  group.doing = Doing::kStarting;
  group.end = End::kNone;
  group.supervisor.forget_restarts();
  group.to_start.assign(group.children.rbegin(), group.children.rend());
  awake_.push_back(node);
}

void Tree::terminate_node(NodeId node, Order order) {
  if (node != kRoot) forget_exit(node);
  set_stage(node, Stage::kTerminating);
  nodes_[node].terminated_by = order;
  if (!is_group(node)) return commands_.push_back({order, node});
  group_of(node).ended_by = order;
  group_of(node).end = End::kOrdered;
  begin_end(node, order);
}

void Tree::end_by_itself(NodeId node, End why) {
  group_of(node).ended_by.reset();
  group_of(node).end = why;
  begin_end(node, Order::kStop);
}

// Whatever it is doing, if only ending in another way, is over. A child that is just being
// terminated is still waited for.
void Tree::begin_end(NodeId node, Order order) {
  Group& group = group_of(node);
  group.doing = Doing::kEnding;
  group.to_start.clear();
  group.jobs.clear();
  group.to_terminate.clear();
  for (const NodeId child : group.children) group.to_terminate.push_back({child, order});
  if (group.awaited && stage(*group.awaited) == Stage::kStarting) group.awaited.reset();
  awake_.push_back(node);
}

void Tree::finish_end(NodeId node) {
  Group& group = group_of(node);
  group.doing = Doing::kNothing;
  if (node == kRoot) return set_stage(node, Stage::kStopped);
  if (!group.ended_by) return exited(node, Exit::kShutdown);
  set_stage(node, *group.ended_by == Order::kHold ? Stage::kHeld : Stage::kStopped);
  awake_.push_back(parent(node));
}

// --- Exits ---------------------------------------------------------------------------------------

void Tree::exited(NodeId node, Exit exit) {
  if (stage(node) == Stage::kTerminating && !is_group(node)) return;  // that end follows
  set_stage(node, exit == Exit::kCrash ? Stage::kHeld : Stage::kDown);
  const NodeId above = parent(node);
  Group& group = group_of(above);
  if (!takes_orders(above)) return;
  // OTP's supervisor terminates and starts those again without looking at why they are dead.
  if (std::ranges::find(group.to_start, node) != group.to_start.end() ||
      std::ranges::find(group.to_terminate, node, &Termination::child) !=
          group.to_terminate.end())
    return;
  group.jobs.push_back({Job::What::kExit, node, exit});
  awake_.push_back(above);
}

void Tree::decide(NodeId node, const Supervisor::Decision& decision) {
  using What = Supervisor::Decision::What;
  Group& group = group_of(node);
  switch (decision.what) {
    case What::kLetBe: return;
    case What::kGiveUp: return end_by_itself(node, End::kGaveUp);
    case What::kShutDown: return end_by_itself(node, End::kAutoShutdown);
    case What::kRestart: break;
  }
  group.doing = Doing::kRestarting;
  for (std::size_t i = decision.first; i < decision.last; ++i) {
    const NodeId child = group.children[i];
    const bool comes_back = policy(child).restart != config::Restart::kTemporary;
    if (is_alive(stage(child)))
      group.to_terminate.push_back({child, comes_back ? Order::kHold : Order::kStop});
    if (comes_back) group.to_start.insert(group.to_start.begin(), child);
  }
}

// --- One thing after the other -------------------------------------------------------------------

void Tree::run(NodeId node, const Job& job) {
  Group& group = group_of(node);
  switch (job.what) {
    case Job::What::kExit:
      return decide(node, group.supervisor.exited(index_of(job.child), job.exit, now_));
    case Job::What::kTerminate:
      group.doing = Doing::kRestarting;
      group.to_terminate.push_back({job.child, Order::kStop});
      return;
    case Job::What::kStart:
      // Its exit is still to be looked at; until then it counts as running.
      for (const Job& later : group.jobs)
        if (later.child == job.child && later.what == Job::What::kExit) return;
      group.doing = Doing::kRestarting;
      group.to_start.push_back(job.child);
      return;
  }
}

void Tree::proceed(NodeId node) {
  Group& group = group_of(node);
  while (group.doing != Doing::kNothing || !group.jobs.empty()) {
    if (group.awaited) {
      const Stage awaited = stage(*group.awaited);
      if (awaited == Stage::kStarting || awaited == Stage::kTerminating) return;
      group.awaited.reset();
    }
    if (!group.to_terminate.empty()) {
      const Termination next = group.to_terminate.back();
      group.to_terminate.pop_back();
      if (!is_touched_by(next.order, stage(next.child))) continue;
      group.awaited = next.child;
      terminate_node(next.child, next.order);
    } else if (group.doing == Doing::kEnding) {
      return finish_end(node);
    } else if (!group.to_start.empty()) {
      const NodeId next = group.to_start.back();
      group.to_start.pop_back();
      if (is_alive(stage(next))) continue;
      group.awaited = next;
      start_node(next);
    } else {
      if (group.doing == Doing::kStarting) {
        set_stage(node, Stage::kRunning);
        if (node != kRoot) awake_.push_back(parent(node));
      }
      group.doing = Doing::kNothing;
      if (group.jobs.empty()) return;
      const Job job = group.jobs.front();
      group.jobs.pop_front();
      run(node, job);
    }
  }
}

void Tree::proceed_all(Instant now) {
  now_ = now;
  while (!awake_.empty()) {
    const NodeId next = awake_.back();
    awake_.pop_back();
    if (nodes_[next].exists) proceed(next);
  }
}

// --- What happens --------------------------------------------------------------------------------

void Tree::start(Instant now) {
  began_ = true;
  start_node(kRoot);
  proceed_all(now);
}

void Tree::stop(Instant now) {
  began_ = true;
  terminate_node(kRoot, Order::kStop);
  proceed_all(now);
}

void Tree::on_started(NodeId server, Instant now) {
  if (stage(server) == Stage::kStarting) set_stage(server, Stage::kRunning);
  awake_.push_back(parent(server));
  proceed_all(now);
}

void Tree::on_held(NodeId server, Instant now) {
  if (stage(server) == Stage::kTerminating) set_stage(server, Stage::kHeld);
  awake_.push_back(parent(server));
  proceed_all(now);
}

void Tree::on_stopped(NodeId server, Instant now) {
  set_stage(server, Stage::kStopped);
  awake_.push_back(parent(server));
  proceed_all(now);
}

void Tree::on_crashed(NodeId server, Instant now) {
  exited(server, Exit::kCrash);
  proceed_all(now);
}

void Tree::on_ended(NodeId server, Exit exit, Instant now) {
  exited(server, exit == Exit::kCrash ? Exit::kShutdown : exit);
  proceed_all(now);
}

// One that was to be held has nothing to hold any more; one that is stopped will say when it is.
void Tree::on_down(NodeId server, Instant now) {
  const bool is_stopping =
      stage(server) == Stage::kTerminating && nodes_[server].terminated_by == Order::kStop;
  if (is_stopping || stage(server) == Stage::kStopped) return;
  set_stage(server, Stage::kDown);
  awake_.push_back(parent(server));
  proceed_all(now);
}

void Tree::on_back(NodeId server) {
  if (stage(server) == Stage::kDown) set_stage(server, Stage::kRunning);
}

// --- What people want ----------------------------------------------------------------------------

bool Tree::takes_orders(NodeId group) const {
  return (stage(group) == Stage::kRunning || stage(group) == Stage::kStarting) &&
         group_of(group).doing != Doing::kEnding;
}

void Tree::ask(Job::What what, NodeId node, Instant now) {
  const NodeId above = parent(node);
  if (!takes_orders(above)) return;
  group_of(above).jobs.push_back({what, node, Exit::kNormal});
  awake_.push_back(above);
  proceed_all(now);
}

void Tree::terminate_child(NodeId node, Instant now) { ask(Job::What::kTerminate, node, now); }
void Tree::restart_child(NodeId node, Instant now) { ask(Job::What::kStart, node, now); }

std::vector<Tree::Command> Tree::take_commands() { return std::exchange(commands_, {}); }

bool Tree::is_settled() const {
  return std::ranges::all_of(nodes_, [](const Node& node) {
    return !node.exists || !node.group ||
           (node.group->doing == Doing::kNothing && node.group->jobs.empty());
  });
}

}  // namespace peeper::daemon
