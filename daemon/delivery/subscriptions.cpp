#include "daemon/delivery/subscriptions.hpp"

#include "common/resp/writer.hpp"

namespace peeper::daemon {

void Subscriptions::add(std::string_view channel, std::uint64_t id,
                        std::weak_ptr<Subscriber> subscriber) {
  by_channel_[std::string(channel)].try_emplace(id, std::move(subscriber));
  by_id_[id].emplace(channel);
}

void Subscriptions::remove(std::string_view channel, std::uint64_t id) {
  const std::string name(channel);
  const auto listeners = by_channel_.find(name);
  if (listeners == by_channel_.end() || listeners->second.erase(id) == 0) return;
  if (listeners->second.empty()) by_channel_.erase(listeners);
  const auto channels = by_id_.find(id);
  channels->second.erase(name);
  if (channels->second.empty()) by_id_.erase(channels);
}

void Subscriptions::remove_all(std::uint64_t id) {
  const std::set<std::string> channels = channels_of(id);
  for (const std::string& channel : channels) remove(channel, id);
}

const std::set<std::string>& Subscriptions::channels_of(std::uint64_t id) const {
  static const std::set<std::string> kNone;
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? kNone : found->second;
}

void Subscriptions::publish(std::string_view channel, std::string_view value) const {
  const auto found = by_channel_.find(std::string(channel));
  if (found == by_channel_.end()) return;
  std::string push;
  resp::append_push(push, 3);
  resp::append_bulk(push, "message");
  resp::append_bulk(push, channel);
  push += value;
  for (const auto& [id, listener] : found->second)
    if (const auto subscriber = listener.lock()) subscriber->push(push);
}

}  // namespace peeper::daemon
