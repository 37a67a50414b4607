// The supervision tree at work: what the pure Tree decides is done to the servers, what happens to
// them is told to it, and people's orders wait here until they are carried out.
//
// Owner: Runtime. Thread: the loop's. Nothing blocks but the reading of files for a reload.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/result.hpp"
#include "daemon/config/config.hpp"
#include "daemon/server/servers.hpp"
#include "daemon/supervision/changes.hpp"
#include "daemon/supervision/tree.hpp"

namespace peeper::daemon {

// Of [daemon] or a [[group]], over their children.
[[nodiscard]] SupervisorPolicy policy_of(const auto& section) {
  return {section.strategy, section.max_restarts, section.max_seconds, section.auto_shutdown};
}

class SupervisionTree final : public Supervision {
 public:
  using MakeServer =
      std::function<Result<std::unique_ptr<Server>>(const config::ServerSection&, Supervision&)>;

  // Nothing is started yet. Fails if a server can't be made at all.
  SupervisionTree(boost::asio::io_context& loop, Servers& servers, MakeServer make_server);
  ~SupervisionTree() override;
  SupervisionTree(const SupervisionTree&) = delete;
  SupervisionTree& operator=(const SupervisionTree&) = delete;

  Result<void> build(const config::Config& config);
  // `started`: once, when all that is in the tree has started.
  void start(std::function<void()> started);
  // Everything, in reverse order; `ended` follows. It follows by itself, too, if the top level
  // gives up or shuts itself down.
  void stop();
  void when_ended(std::function<void(Tree::End)> ended) { ended_ = std::move(ended); }

  // --- OTP's functions of the same names. The caller gets OK, or an error. -----------------------
  void terminate_child(const std::string& name, ReplyTarget caller);
  void restart_child(const std::string& name, ReplyTarget caller);
  void start_child(const config::ServerSection& section, ReplyTarget caller);
  void delete_child(const std::string& name, ReplyTarget caller);

  // The running tree becomes the wanted one: only what differs is ended, started, or both.
  void reload(config::Config wanted, ReplyTarget caller);

  // --- What is -----------------------------------------------------------------------------------
  struct Child {
    std::string name;
    std::string group;                 // empty: [daemon]'s
    Server* server;                    // null: a group
    std::string_view state;            // of a group: "running", "starting", "stopping", "down"
    config::Strategy strategy;         // of a group
    config::Restart restart;
    bool significant;
  };
  // In the order of starting. `group`: only its own; empty: all, each group before what is in it.
  [[nodiscard]] std::vector<Child> which_children(const std::string& group) const;
  [[nodiscard]] bool has_group(const std::string& name) const;
  // Is there such a server, or will there be by a reload that is under way?
  [[nodiscard]] bool is_configured(std::string_view server) const;
  struct Counts {
    std::size_t specs = 0;
    std::size_t active = 0;
    std::size_t supervisors = 0;
    std::size_t workers = 0;
  };
  [[nodiscard]] Counts count_children(const std::string& group) const;
  // As it runs: after reloads, and with the children that were started by hand.
  [[nodiscard]] const config::Config& config() const { return config_; }

  void on_started(Server& server) override;
  void on_held(Server& server) override;
  void on_stopped(Server& server) override;
  void on_crashed(Server& server) override;
  void on_ended(Server& server, Exit exit) override;
  void on_down(Server& server) override;
  void on_back(Server& server) override;

 private:
  struct Order {
    NodeId node;
    Tree::Stage wanted;  // kStopped or kRunning
    ReplyTarget caller;
  };
  struct Reload {
    config::Config wanted;
    Changes changes;
    ReplyTarget caller;
    bool ended = false;                  // what is to end has
    std::set<std::string> stay_stopped;  // by people, before
    std::string failed;
  };
  struct Retired {
    std::unique_ptr<Server> server;
    Instant until;
  };

  template <class Event>
  void tell(Server& server, Event event);
  void carry_out();
  void obey(const Tree::Command& command);
  void log_ends();
  void answer_orders();
  [[nodiscard]] bool is_ending(NodeId node) const;
  [[nodiscard]] std::string answer_to(const Order& order) const;
  Result<NodeId> add_server(const config::ServerSection& section);
  void add_group(const config::GroupSection& section);
  [[nodiscard]] std::size_t position_of(const std::string& group, config::Place place) const;
  void remove_server(const std::string& name);
  void remove_group(const std::string& name);
  void destroy(std::unique_ptr<Server> server);
  void proceed_reload();
  [[nodiscard]] bool has_all_ended(const Changes& changes) const;
  void make_changes();
  void start_new(const Changes& changes);
  void finish_reload();
  [[nodiscard]] std::optional<NodeId> find(const std::string& name) const;
  [[nodiscard]] NodeId group_node(const std::string& name) const;
  void append_children(NodeId group, bool all, std::vector<Child>& children) const;
  [[nodiscard]] std::string name_of(NodeId node) const;

  boost::asio::io_context& loop_;
  Servers& servers_;
  MakeServer make_server_;
  config::Config config_;
  Tree tree_;
  std::unordered_map<std::string, NodeId> nodes_;      // by name; groups and servers
  std::unordered_map<NodeId, std::string> names_;
  std::list<Order> orders_;
  std::set<std::string> by_hand_;  // servers that are in no file
  std::optional<Reload> reload_;
  bool reload_is_proceeding_ = false;
  std::unordered_map<NodeId, Tree::End> logged_ends_;
  // Servers that are no more, until no handler of theirs is left and the kernel has taken down
  // their processes.
  std::list<Retired> retired_;
  boost::asio::steady_timer retired_timer_;
  bool stopping_ = false;
  std::function<void()> started_;
  std::function<void(Tree::End)> ended_;
};

}  // namespace peeper::daemon
