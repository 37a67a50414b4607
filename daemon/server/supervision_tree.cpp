#include "daemon/server/supervision_tree.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <climits>
#include <tuple>
#include <utility>

#include "common/check.hpp"

namespace peeper::daemon {
namespace {

namespace asio = boost::asio;

Instant now() { return std::chrono::steady_clock::now(); }

ChildPolicy child_policy(const auto& section) { return {section.restart, section.significant}; }

std::string_view group_state(Tree::Stage stage, bool takes_orders) {
  switch (stage) {
    case Tree::Stage::kStarting: return "starting";
    case Tree::Stage::kRunning: return takes_orders ? "running" : "stopping";
    case Tree::Stage::kTerminating: return "stopping";
    case Tree::Stage::kHeld: return "restarting";
    case Tree::Stage::kStopped:
    case Tree::Stage::kDown: break;
  }
  return "down";
}

}  // namespace

SupervisionTree::SupervisionTree(asio::io_context& loop, Servers& servers, MakeServer make_server)
    : loop_(loop),
      servers_(servers),
      make_server_(std::move(make_server)),
      tree_(SupervisorPolicy{}),
      retired_timer_(loop) {}

SupervisionTree::~SupervisionTree() = default;

// --- Shape ---------------------------------------------------------------------------------------

Result<void> SupervisionTree::build(const config::Config& config) {
  config_ = config;
  tree_.change_policy(kRoot, policy_of(config.daemon));
  for (const std::string& name : changes_between({}, config).start_groups)
    add_group(*std::ranges::find(config.groups, name, &config::GroupSection::name));
  for (const config::ServerSection& section : config.servers)
    if (const auto added = add_server(section); !added) return added.error();
  return {};
}

std::optional<NodeId> SupervisionTree::find(const std::string& name) const {
  const auto found = nodes_.find(name);
  if (found == nodes_.end()) return std::nullopt;
  return found->second;
}

NodeId SupervisionTree::group_node(const std::string& name) const {
  return name.empty() ? kRoot : nodes_.at(name);
}

std::string SupervisionTree::name_of(NodeId node) const {
  const auto found = names_.find(node);
  return found == names_.end() ? "" : found->second;
}

bool SupervisionTree::has_group(const std::string& name) const {
  const auto node = find(name);
  return node && tree_.is_group(*node);
}

// Before the first sibling that stands behind this place in the file. Those that are in no file
// come last.
std::size_t SupervisionTree::position_of(const std::string& group, config::Place place) const {
  const auto rank = [](config::Place at) {
    return std::tuple(at.line == 0 ? INT_MAX : at.line, at.column);
  };
  const auto place_of = [&](NodeId node) -> config::Place {
    const std::string name = name_of(node);
    const auto server = std::ranges::find(config_.servers, name, &config::ServerSection::name);
    if (server != config_.servers.end()) return server->place;
    const auto found = std::ranges::find(config_.groups, name, &config::GroupSection::name);
    return found == config_.groups.end() ? config::Place{} : found->place;
  };
  const std::vector<NodeId>& siblings = tree_.children(group_node(group));
  std::size_t position = siblings.size();
  while (position > 0 && rank(place_of(siblings[position - 1])) > rank(place)) --position;
  return position;
}

Result<NodeId> SupervisionTree::add_server(const config::ServerSection& section) {
  auto server = make_server_(section, *this);
  if (!server) return server.error();
  servers_.add(*std::move(server));
  const NodeId node = tree_.add_server(group_node(section.group), child_policy(section),
                                       position_of(section.group, section.place));
  nodes_[section.name] = node;
  names_[node] = section.name;
  return node;
}

void SupervisionTree::add_group(const config::GroupSection& section) {
  const NodeId node =
      tree_.add_group(group_node(section.group), child_policy(section), policy_of(section),
                      position_of(section.group, section.place));
  nodes_[section.name] = node;
  names_[node] = section.name;
}

void SupervisionTree::remove_server(const std::string& name) {
  remove_group(name);
  if (auto server = servers_.remove(name)) destroy(std::move(server));
}

void SupervisionTree::remove_group(const std::string& name) {
  const NodeId node = nodes_.at(name);
  tree_.remove(node);
  nodes_.erase(name);
  names_.erase(node);
}

// Handlers of its timers and descriptors may be under way, and the kernel may still take down a
// process of its.
void SupervisionTree::destroy(std::unique_ptr<Server> server) {
  static constexpr std::chrono::seconds kWhile{1};
  server->retire();
  retired_.push_back({std::move(server), now() + kWhile});
  const auto sweep = [this](const auto& again) -> void {
    retired_.remove_if([](const Retired& old) {
      return old.server->may_be_destroyed() && old.until <= now();
    });
    if (retired_.empty()) return;
    retired_timer_.expires_after(kWhile);
    retired_timer_.async_wait([again](boost::system::error_code error) {
      if (!error) again(again);
    });
  };
  if (retired_.size() == 1) sweep(sweep);
}

// --- What happens --------------------------------------------------------------------------------

void SupervisionTree::start(std::function<void()> started) {
  started_ = std::move(started);
  tree_.start(now());
  carry_out();
}

void SupervisionTree::stop() {
  stopping_ = true;
  tree_.stop(now());
  carry_out();
}

template <class Event>
void SupervisionTree::tell(Server& server, Event event) {
  const auto node = find(server.name());
  if (!node) return;
  asio::post(loop_, [this, node = *node, event] {
    if (!tree_.exists(node)) return;
    event(tree_, node);
    carry_out();
  });
}

void SupervisionTree::on_started(Server& server) {
  tell(server, [](Tree& tree, NodeId node) { tree.on_started(node, now()); });
}
void SupervisionTree::on_held(Server& server) {
  tell(server, [](Tree& tree, NodeId node) { tree.on_held(node, now()); });
}
void SupervisionTree::on_stopped(Server& server) {
  tell(server, [](Tree& tree, NodeId node) { tree.on_stopped(node, now()); });
}
void SupervisionTree::on_crashed(Server& server) {
  tell(server, [](Tree& tree, NodeId node) { tree.on_crashed(node, now()); });
}
void SupervisionTree::on_ended(Server& server, Exit exit) {
  tell(server, [exit](Tree& tree, NodeId node) { tree.on_ended(node, exit, now()); });
}
void SupervisionTree::on_down(Server& server) {
  tell(server, [this](Tree& tree, NodeId node) {
    // By an order it may have begun to start again since.
    const Server* it = servers_.find(name_of(node));
    if (it != nullptr && it->is_down()) tree.on_down(node, now());
  });
}
void SupervisionTree::on_back(Server& server) {
  tell(server, [](Tree& tree, NodeId node) { tree.on_back(node); });
}

void SupervisionTree::carry_out() {
  for (auto commands = tree_.take_commands(); !commands.empty(); commands = tree_.take_commands())
    for (const Tree::Command& command : commands) obey(command);
  log_ends();
  answer_orders();
  proceed_reload();
  if (started_ && tree_.stage(kRoot) == Tree::Stage::kRunning) std::exchange(started_, {})();
  if (ended_ && tree_.has_ended()) std::exchange(ended_, {})(tree_.end(kRoot));
}

void SupervisionTree::obey(const Tree::Command& command) {
  Server* server = servers_.find(name_of(command.server));
  PEEPER_CHECK(server != nullptr, "the tree has a server that there isn't");
  const NodeId above = tree_.parent(command.server);
  switch (command.order) {
    case Tree::Order::kStart:
      server->set_asks(tree_.asks(command.server));
      return server->start();
    case Tree::Order::kHold: return server->hold();
    case Tree::Order::kStop:
      if (stopping_ || !tree_.takes_orders(kRoot)) return server->stop(StopReason::kDaemonEnds);
      return server->stop(tree_.takes_orders(above) ? StopReason::kTerminated
                                                    : StopReason::kGroupEnded);
  }
}

void SupervisionTree::log_ends() {
  const auto log = [this](const std::string& what, NodeId node) {
    const Tree::End end = tree_.end(node);
    if (std::exchange(logged_ends_[node], end) == end) return;
    const SupervisorPolicy& policy = tree_.supervisor(node).policy();
    if (end == Tree::End::kGaveUp)
      spdlog::error("{}: more than {} restarts in {} s; all in it is stopped", what,
                    policy.max_restarts, policy.max_seconds.count());
    if (end == Tree::End::kAutoShutdown)
      spdlog::warn("{}: a significant child has ended; all in it is stopped", what);
  };
  log("the top level", kRoot);
  for (const config::GroupSection& group : config_.groups)
    if (const auto node = find(group.name)) log("group " + group.name, *node);
}

// --- What is -------------------------------------------------------------------------------------

void SupervisionTree::append_children(NodeId group, bool all,
                                      std::vector<Child>& children) const {
  for (const NodeId node : tree_.children(group)) {
    Child child{};
    child.name = name_of(node);
    child.group = name_of(group);
    child.restart = tree_.policy(node).restart;
    child.significant = tree_.policy(node).significant;
    if (tree_.is_group(node)) {
      child.strategy = tree_.supervisor(node).policy().strategy;
      child.state = group_state(tree_.stage(node), tree_.takes_orders(node));
    } else {
      child.server = servers_.find(child.name);
    }
    children.push_back(std::move(child));
    if (all && tree_.is_group(node)) append_children(node, all, children);
  }
}

std::vector<SupervisionTree::Child> SupervisionTree::which_children(
    const std::string& group) const {
  std::vector<Child> children;
  append_children(group_node(group), group.empty(), children);
  return children;
}

SupervisionTree::Counts SupervisionTree::count_children(const std::string& group) const {
  Counts counts;
  for (const Child& child : which_children(group)) {
    ++counts.specs;
    ++(child.server == nullptr ? counts.supervisors : counts.workers);
    if (Tree::is_alive(tree_.stage(nodes_.at(child.name)))) ++counts.active;
  }
  return counts;
}

}  // namespace peeper::daemon
