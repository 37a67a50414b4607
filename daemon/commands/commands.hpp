// The commands of the wire protocol, by name. daemon/README.md says what each does.
//
// Owner: Runtime. Thread: the loop's. Nothing blocks: a command replies at once, has reserved a
// reply, or could not be accepted yet.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/commands/session.hpp"
#include "daemon/delivery/subscriptions.hpp"
#include "daemon/metrics/daemon_facts.hpp"
#include "daemon/server/server.hpp"
#include "daemon/server/servers.hpp"
#include "daemon/server/supervision_tree.hpp"

namespace peeper::daemon {

enum class Outcome {
  kDone,   // replied, or will
  kBusy,   // the mailbox is full: run the same command again once there is room
  kClose,  // replied; close the connection after that
};

class Commands {
 public:
  // `used`: the server that a connection uses until it says USE itself; empty: none.
  Commands(Servers& servers, Subscriptions& subscriptions, DaemonFacts& facts,
           std::string used = {})
      : servers_(servers), subscriptions_(subscriptions), facts_(facts), used_(std::move(used)) {}

  // Before the first command: whom SUPERVISOR asks. `reload` reads the configuration again.
  void supervise(SupervisionTree& tree, std::function<void(ReplyTarget)> reload) {
    tree_ = &tree;
    reload_ = std::move(reload);
  }
  void use(std::string server) { used_ = std::move(server); }

  using Arguments = std::span<const std::string_view>;
  // `deadline_start`: when the command was first tried; the timeout of a call counts from then.
  Outcome run(Session& session, Arguments arguments, Instant deadline_start);
  // For a command that stays kBusy: how long it may wait, and what to say then.
  struct Patience {
    Instant until;
    std::string error;
  };
  [[nodiscard]] Patience patience(Arguments arguments, Instant deadline_start) const;
  // ... and it has waited so long in vain.
  void note_given_up(Arguments arguments, std::string_view error);
  // The connection listens to nothing any more, and has no channel.
  void leave(Session& session);

 private:
  struct Entry {
    std::string_view name;
    Outcome (Commands::*run)(Session&, Arguments, Instant);
    int arity;  // as Redis counts: with the name; negative: at least
  };
  static std::span<const Entry> table();
  static const Entry* find(std::string_view name);
  static bool is_refused_while_subscribed(const Session& session, const Entry* entry);

  Outcome call(Session& session, Arguments arguments, Instant start);
  Outcome cast(Session& session, Arguments arguments, Instant start);
  Outcome send(Session& session, Arguments arguments, Instant start);
  Outcome use(Session& session, Arguments arguments, Instant start);
  Outcome channel(Session& session, Arguments arguments, Instant start);
  void close_channel(Session& session);
  void watch_channel(std::string_view channel);
  Outcome supervisor(Session& session, Arguments arguments, Instant start);
  Outcome sys(Session& session, Arguments arguments, Instant start);
  Outcome ping(Session& session, Arguments arguments, Instant start);
  Outcome echo(Session& session, Arguments arguments, Instant start);
  Outcome hello(Session& session, Arguments arguments, Instant start);
  Outcome info(Session& session, Arguments arguments, Instant start);
  Outcome command(Session& session, Arguments arguments, Instant start);
  Outcome client(Session& session, Arguments arguments, Instant start);
  Outcome subscribe(Session& session, Arguments arguments, Instant start);
  Outcome unsubscribe(Session& session, Arguments arguments, Instant start);
  Outcome reset(Session& session, Arguments arguments, Instant start);
  Outcome quit(Session& session, Arguments arguments, Instant start);

  // `start`: when the command was read.
  Outcome run_call(Session& session, std::string_view server, const Message& message,
                   Instant start, std::chrono::milliseconds timeout);
  static void refuse(Session& session, Server& server, Server::Sent sent);
  Outcome run_oneway(Session& session, Arguments arguments, segment::MessageType type);
  void start_child(Session& session, std::string_view toml);
  void which_children(Session& session, const std::string& group);
  void count_children(Session& session, const std::string& group);
  Outcome sys_get_state(Session& session, Arguments arguments);
  Outcome sys_get_status(Session& session, Arguments arguments);
  Outcome sys_kill(Session& session, Arguments arguments);
  Outcome sys_suspend(Session& session, Arguments arguments);
  Outcome sys_replace_state(Session& session, Arguments arguments, Instant start);
  Outcome sys_messages(Session& session, Arguments arguments);
  Outcome sys_change_code(Session& session, Arguments arguments);
  Outcome sys_trace(Session& session, Arguments arguments);
  Outcome sys_statistics(Session& session, Arguments arguments);
  Outcome sys_log(Session& session, Arguments arguments);
  Outcome sys_metrics(Session& session);
  Outcome sys_output(Session& session, Arguments arguments);
  Outcome sys_segments(Session& session, Arguments arguments);
  Outcome sys_crashes(Session& session, Arguments arguments);
  Outcome sys_dead_letters(Session& session, Arguments arguments);
  Outcome retry_letter(Session& session, Server& server, std::string_view word);

  Servers& servers_;
  Subscriptions& subscriptions_;
  DaemonFacts& facts_;
  std::string used_;
  SupervisionTree* tree_ = nullptr;
  std::function<void(ReplyTarget)> reload_;
};

}  // namespace peeper::daemon
