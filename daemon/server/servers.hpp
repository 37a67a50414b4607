// The servers, in the order of the configuration, and who of them a message is for.
//
// In no particular order once the configuration was read again: the tree knows that.
//
// Owner: Runtime. Thread: the loop's. Nothing blocks.
#pragma once

#include <algorithm>
#include <boost/unordered_map.hpp>
#include <memory>
#include <string_view>
#include <vector>

#include "common/server_channels.hpp"
#include "daemon/delivery/receiver.hpp"
#include "daemon/delivery/subscriptions.hpp"
#include "daemon/output/output_values.hpp"
#include "daemon/server/server.hpp"

namespace peeper::daemon {

class Servers final : public Exchange {
 public:
  explicit Servers(Subscriptions& subscriptions) : subscriptions_(subscriptions) {}

  void add(std::unique_ptr<Server> server) {
    by_name_.emplace(server->name(), server.get());
    if (subscriptions_.has(trace_channel(server->name())))
      server->debug().set_followed(Switch::kOn);
    if (subscriptions_.has(server->name())) server->set_followed(true);
    servers_.push_back(std::move(server));
  }
  // It is found no more.
  std::unique_ptr<Server> remove(std::string_view name) {
    by_name_.erase(name);
    last_found_ = nullptr;
    const auto found = std::ranges::find(servers_, name, &Server::name);
    if (found == servers_.end()) return nullptr;
    std::unique_ptr<Server> server = std::move(*found);
    servers_.erase(found);
    return server;
  }
  [[nodiscard]] const std::vector<std::unique_ptr<Server>>& all() const { return servers_; }

  [[nodiscard]] Server* find(std::string_view name) const override {
    if (last_found_ != nullptr && last_found_->name() == name) return last_found_;
    const auto found = by_name_.find(name);
    if (found != by_name_.end()) last_found_ = found->second;
    return found == by_name_.end() ? nullptr : found->second;
  }
  [[nodiscard]] Server* find(std::uint64_t uid) const override {
    for (const auto& server : servers_)
      if (server->uid() == uid) return server.get();
    return nullptr;
  }
  [[nodiscard]] Server* find_unattached() const override {
    for (const auto& server : servers_)
      if (server->may_still_attach()) return server.get();
    return nullptr;
  }
  void publish(std::string_view server, std::string_view channel,
               std::string_view value) override {
    subscriptions_.publish(std::string(server) + "/" + std::string(channel), value);
  }
  void tell(std::string_view channel, std::string_view value) override {
    subscriptions_.publish(channel, value);
  }
  void show(const ServersLine& line) override {
    if (subscriptions_.channels() == 0) return;
    for (const std::string& channel : {output_channel(line.server), output_channel("")})
      if (subscriptions_.has(channel)) subscriptions_.publish(channel, output_value(line));
  }

 private:
  Subscriptions& subscriptions_;
  std::vector<std::unique_ptr<Server>> servers_;
  boost::unordered_map<std::string_view, Server*> by_name_;  // the servers' own names
  mutable Server* last_found_ = nullptr;  // by its name; mostly the next one is for it, too
};

}  // namespace peeper::daemon
