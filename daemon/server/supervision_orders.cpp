// SupervisionTree's orders: single children terminated, started, added, deleted, and a
// configuration that is read again.
#include <spdlog/spdlog.h>

#include <algorithm>

#include "daemon/server/supervision_tree.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {
namespace {

Instant now() { return std::chrono::steady_clock::now(); }

void answer(const ReplyTarget& caller, std::string_view value) {
  if (caller.sink) caller.sink->deliver(caller.slot, value);
}

std::string unknown(const std::string& name) {
  return error_value("NOSERVER there is no server or group '" + name + "'; peeper ls shows them");
}

}  // namespace

// --- Single children -----------------------------------------------------------------------------

void SupervisionTree::terminate_child(const std::string& name, ReplyTarget caller) {
  const auto node = find(name);
  if (!node) return answer(caller, unknown(name));
  orders_.push_back({*node, Tree::Stage::kStopped, std::move(caller)});
  tree_.terminate_child(*node, now());
  carry_out();
}

void SupervisionTree::restart_child(const std::string& name, ReplyTarget caller) {
  const auto node = find(name);
  if (!node) return answer(caller, unknown(name));
  // One that is about to be down is so already, to those who see it.
  if (const Server* server = servers_.find(name); server != nullptr && server->is_down())
    tree_.on_down(*node, now());
  if (!tree_.takes_orders(tree_.parent(*node)))
    return answer(caller, error_value("DOWN " + name + ": its group is down; to start that: "
                                      "peeper start " + name_of(tree_.parent(*node))));
  if (is_ending(*node))
    return answer(caller, error_value("ERR restarting: " + name +
                                      " is just ending; try again in a moment"));
  if (Tree::is_alive(tree_.stage(*node)))
    return answer(caller, error_value("ERR running: " + name + " runs already"));
  orders_.push_back({*node, Tree::Stage::kRunning, std::move(caller)});
  tree_.restart_child(*node, now());
  carry_out();
}

bool SupervisionTree::is_ending(NodeId node) const {
  const Tree::Stage stage = tree_.stage(node);
  return stage == Tree::Stage::kTerminating ||
         (tree_.is_group(node) && Tree::is_alive(stage) && !tree_.takes_orders(node));
}

void SupervisionTree::start_child(const config::ServerSection& section, ReplyTarget caller) {
  if (const auto node = find(section.name))
    return answer(caller,
                  error_value(Tree::is_alive(tree_.stage(*node))
                                  ? "ERR already_started: " + section.name + " runs already"
                                  : "ERR already_present: there is " + section.name +
                                        ", and it does not run; to start it: peeper start " +
                                        section.name));
  if (!section.group.empty() && !has_group(section.group))
    return answer(caller, unknown(section.group));
  if (!tree_.takes_orders(group_node(section.group)))
    return answer(caller, error_value("DOWN " + section.group + ": the group is down"));
  config::ServerSection added = section;
  added.place = {};
  config_.servers.push_back(added);
  const auto node = add_server(added);
  if (!node) {
    config_.servers.pop_back();
    return answer(caller, error_value("BADARG " + node.error().what));
  }
  by_hand_.insert(section.name);
  spdlog::info("server {}: added", section.name);
  orders_.push_back({*node, Tree::Stage::kRunning, std::move(caller)});
  tree_.restart_child(*node, now());
  carry_out();
}

void SupervisionTree::delete_child(const std::string& name, ReplyTarget caller) {
  const auto node = find(name);
  if (!node) return answer(caller, unknown(name));
  if (Tree::is_alive(tree_.stage(*node)) || tree_.stage(*node) == Tree::Stage::kHeld)
    return answer(caller, error_value("ERR running: " + name + " runs; to stop it: peeper stop " +
                                      name));
  if (reload_) return answer(caller, error_value("BUSY the configuration is being read again"));
  if (!tree_.is_group(*node) && tree_.stage(*node) == Tree::Stage::kDown)
    return answer(caller, error_value("ERR restarting: " + name +
                                      " is down and may come back; to stop it: peeper stop " +
                                      name));
  if (tree_.is_group(*node) && !tree_.children(*node).empty())
    return answer(caller, error_value("ERR " + name + " has children; delete them first"));
  if (tree_.is_group(*node)) {
    remove_group(name);
    std::erase_if(config_.groups, [&](const auto& group) { return group.name == name; });
  } else {
    remove_server(name);
    std::erase_if(config_.servers, [&](const auto& server) { return server.name == name; });
    by_hand_.erase(name);
  }
  spdlog::info("{} is deleted; the state of a server stays in its segment", name);
  answer(caller, status_value("OK"));
}

void SupervisionTree::answer_orders() {
  const bool is_settled = tree_.is_settled();
  orders_.remove_if([&](const Order& order) {
    const bool is_done = !tree_.exists(order.node) || tree_.stage(order.node) == order.wanted;
    const bool is_lost = is_settled || tree_.has_ended() ||
                         (order.wanted == Tree::Stage::kRunning &&
                          tree_.stage(order.node) == Tree::Stage::kDown);
    if (!is_done && !is_lost) return false;
    answer(order.caller, answer_to(order));
    return true;
  });
}

std::string SupervisionTree::answer_to(const Order& order) const {
  if (tree_.exists(order.node) && tree_.stage(order.node) == order.wanted)
    return status_value("OK");
  const std::string name = name_of(order.node);
  if (stopping_) return error_value("DOWN " + name + ": peeperd is stopping");
  // OTP too is content with a child that had ended by itself.
  if (order.wanted == Tree::Stage::kStopped) return status_value("OK");
  if (const Server* server = servers_.find(name)) return error_value(server->down_text());
  return error_value("DOWN " + name + ": it has ended again; peeperd's log says why");
}

// --- The configuration, read again ---------------------------------------------------------------

void SupervisionTree::reload(config::Config wanted, ReplyTarget caller) {
  if (reload_)
    return answer(caller, error_value("BUSY the configuration is being read again already"));
  // What was started by hand stays, as long as its group does.
  for (const config::ServerSection& server : config_.servers) {
    const auto has_name = [&](const auto& section) { return section.name == server.name; };
    const auto is_group = [&](const auto& section) { return section.name == server.group; };
    if (by_hand_.contains(server.name) && std::ranges::none_of(wanted.servers, has_name) &&
        std::ranges::none_of(wanted.groups, has_name) &&
        (server.group.empty() || std::ranges::any_of(wanted.groups, is_group)))
      wanted.servers.push_back(server);
  }
  config::Config running = config_;
  // After a code change a configuration that follows it changes nothing.
  for (config::ServerSection& server : running.servers)
    if (const Server* one = servers_.find(server.name)) server.behaviour = one->behaviour();
  Changes changes = changes_between(running, wanted);
  if (!changes.refused.empty()) {
    for (const std::string& why : changes.refused)
      spdlog::error("{}: {}; nothing was changed", wanted.file.string(), why);
    return answer(caller,
                  error_value("BADARG " + changes.refused.front() + "; nothing was changed"));
  }
  spdlog::info("{}: read again; {} to end, {} to start", wanted.file.string(), changes.end.size(),
               changes.start.size());
  reload_.emplace(Reload{std::move(wanted), std::move(changes), std::move(caller), false, {}, {}});
  for (auto name = reload_->changes.end.rbegin(); name != reload_->changes.end.rend(); ++name) {
    const NodeId node = nodes_.at(*name);
    if (tree_.stage(node) == Tree::Stage::kStopped) reload_->stay_stopped.insert(*name);
    tree_.terminate_child(node, now());
  }
  for (auto name = reload_->changes.end_groups.rbegin(); name != reload_->changes.end_groups.rend();
       ++name)
    tree_.terminate_child(nodes_.at(*name), now());
  carry_out();
}

bool SupervisionTree::is_configured(std::string_view server) const {
  const auto names_it = [server](const config::Config& config) {
    return std::ranges::find(config.servers, server, &config::ServerSection::name) !=
           config.servers.end();
  };
  return servers_.find(server) != nullptr || names_it(config_) ||
         (reload_ && names_it(reload_->wanted));
}

void SupervisionTree::proceed_reload() {
  if (!reload_ || reload_is_proceeding_) return;
  reload_is_proceeding_ = true;
  if (!reload_->ended && has_all_ended(reload_->changes)) {
    reload_->ended = true;
    make_changes();
    carry_out();
  }
  if (reload_->ended && (tree_.is_settled() || tree_.has_ended())) finish_reload();
  reload_is_proceeding_ = false;
}

bool SupervisionTree::has_all_ended(const Changes& changes) const {
  const auto has_ended = [this](const std::string& name) {
    const Tree::Stage stage = tree_.stage(nodes_.at(name));
    return stage == Tree::Stage::kStopped ||
           (tree_.is_group(nodes_.at(name)) && !Tree::is_alive(stage));
  };
  return tree_.has_ended() || (std::ranges::all_of(changes.end, has_ended) &&
                               std::ranges::all_of(changes.end_groups, has_ended));
}

void SupervisionTree::make_changes() {
  if (stopping_ || tree_.has_ended()) return;
  const Changes& changes = reload_->changes;
  for (const std::string& name : changes.end) remove_server(name);
  for (auto name = changes.end_groups.rbegin(); name != changes.end_groups.rend(); ++name)
    remove_group(*name);
  config_ = reload_->wanted;
  std::erase_if(by_hand_, [&](const std::string& name) {
    return std::ranges::none_of(config_.servers,
                                [&](const auto& server) { return server.name == name; });
  });
  const auto group = [this](const std::string& name) -> const config::GroupSection& {
    return *std::ranges::find(config_.groups, name, &config::GroupSection::name);
  };
  tree_.change_policy(kRoot, policy_of(config_.daemon));
  for (const std::string& name : changes.new_policy)
    tree_.change_policy(nodes_.at(name), policy_of(group(name)));
  for (const std::string& name : changes.start_groups) add_group(group(name));
  for (const std::string& name : changes.start) {
    const auto section =
        std::ranges::find(config_.servers, name, &config::ServerSection::name);
    if (const auto added = add_server(*section); !added) reload_->failed = added.error().what;
  }
  for (const auto& server : servers_.all())
    server->set_asks(tree_.asks(nodes_.at(server->name())));
  start_new(changes);
}

// A group that starts takes along what is in it.
void SupervisionTree::start_new(const Changes& changes) {
  const auto start = [this](const std::string& name) {
    const auto node = find(name);
    if (node && !reload_->stay_stopped.contains(name) &&
        tree_.takes_orders(tree_.parent(*node)) && tree_.stage(*node) == Tree::Stage::kStopped)
      tree_.restart_child(*node, now());
  };
  for (const std::string& name : changes.start_groups) start(name);
  for (const std::string& name : changes.start) start(name);
  // To those who ask it is as it was before.
  for (const std::string& name : reload_->stay_stopped)
    if (Server* server = servers_.find(name)) server->stop(StopReason::kTerminated);
}

void SupervisionTree::finish_reload() {
  const Reload done = *std::exchange(reload_, std::nullopt);
  if (stopping_ || tree_.has_ended())
    return answer(done.caller, error_value("DOWN peeperd is stopping"));
  if (!done.failed.empty()) {
    spdlog::error("{}: {}", config_.file.string(), done.failed);
    return answer(done.caller, error_value("ERR " + done.failed));
  }
  spdlog::info("{} is what runs now", config_.file.string());
  answer(done.caller, status_value("OK"));
}

}  // namespace peeper::daemon
