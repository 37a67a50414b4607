// Who listens to which channel. A channel is "SERVER/NAME" for what a server publishes as NAME, and
// "SERVER!output" for what its workers write (common/server_channels.hpp);
// anything may be subscribed to.
//
// Owner: Runtime. Thread: the loop's. Nothing blocks.
#pragma once

#include <boost/unordered_map.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace peeper::daemon {

// A connection that may listen.
class Subscriber {
 public:
  virtual ~Subscriber() = default;
  // `value`: one RESP3 push. Changes no subscription meanwhile.
  virtual void push(std::string_view value) = 0;
};

class Subscriptions {
 public:
  // `id`: the connection's. Again, or when there is none: no effect.
  void add(std::string_view channel, std::uint64_t id, std::weak_ptr<Subscriber> subscriber);
  void remove(std::string_view channel, std::uint64_t id);
  void remove_all(std::uint64_t id);

  // Of one connection, in their order.
  [[nodiscard]] const std::set<std::string>& channels_of(std::uint64_t id) const;
  // That somebody listens to.
  [[nodiscard]] std::size_t channels() const { return by_channel_.size(); }
  [[nodiscard]] bool has(const std::string& channel) const { return by_channel_.contains(channel); }

  // `value`: one RESP3 value.
  void publish(std::string_view channel, std::string_view value) const;

 private:
  using Listeners = std::map<std::uint64_t, std::weak_ptr<Subscriber>>;
  boost::unordered_map<std::string, Listeners> by_channel_;       // never an empty one
  boost::unordered_map<std::uint64_t, std::set<std::string>> by_id_;  // the same
};

}  // namespace peeper::daemon
