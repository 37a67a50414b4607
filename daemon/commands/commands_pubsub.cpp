// SUBSCRIBE and UNSUBSCRIBE, as Redis answers them: one push a channel, with the number of channels
// the connection listens to from then on.
#include <algorithm>

#include "common/limits.hpp"
#include "common/server_channels.hpp"
#include "daemon/commands/commands.hpp"
#include "daemon/values/command_text.hpp"

namespace peeper::daemon {
namespace {

std::string confirmation(std::string_view word, const std::string_view* channel,
                         std::size_t channels) {
  std::string value;
  resp::append_push(value, 3);
  resp::append_bulk(value, word);
  if (channel != nullptr)
    resp::append_bulk(value, *channel);
  else
    resp::append_null(value);
  resp::append_integer(value, static_cast<std::int64_t>(channels));
  return value;
}

}  // namespace

Outcome Commands::subscribe(Session& session, Arguments arguments, Instant) {
  const Arguments wanted = arguments.subspan(1);
  if (std::ranges::any_of(wanted, [](auto c) { return c.size() > limits::kChannelBytes; })) {
    session.reply(error_value("BADARG a channel has at most " +
                              std::to_string(limits::kChannelBytes) + " bytes"));
    return Outcome::kDone;
  }
  if (wanted.size() > limits::kSubscriptions - session.channels) {
    session.reply(error_value("BADARG a connection subscribes to at most " +
                              std::to_string(limits::kSubscriptions) + " channels"));
    return Outcome::kDone;
  }
  for (const std::string_view channel : wanted) {
    subscriptions_.add(channel, session.id, session.as_subscriber());
    watch_channel(channel);
    session.channels = subscriptions_.channels_of(session.id).size();
    session.push(confirmation("subscribe", &channel, session.channels));
  }
  return Outcome::kDone;
}

Outcome Commands::unsubscribe(Session& session, Arguments arguments, Instant) {
  const auto leave = [&](std::string_view channel) {
    subscriptions_.remove(channel, session.id);
    watch_channel(channel);
    session.channels = subscriptions_.channels_of(session.id).size();
    session.push(confirmation("unsubscribe", &channel, session.channels));
  };
  if (arguments.size() > 1) {
    for (const std::string_view channel : arguments.subspan(1)) leave(channel);
  } else if (session.channels == 0) {
    session.push(confirmation("unsubscribe", nullptr, 0));
  } else {
    const std::set<std::string> all = subscriptions_.channels_of(session.id);
    for (const std::string& channel : all) leave(channel);
  }
  return Outcome::kDone;
}

void Commands::leave(Session& session) {
  close_channel(session);
  const std::set<std::string> channels = subscriptions_.channels_of(session.id);
  subscriptions_.remove_all(session.id);
  for (const std::string& channel : channels) watch_channel(channel);
  session.channels = 0;
}

// A server makes events of what it does, and of its State, only while somebody follows them.
void Commands::watch_channel(std::string_view channel) {
  const bool has_subscribers = subscriptions_.has(std::string(channel));
  if (Server* server = servers_.find(traced_server(channel)))
    server->debug().set_followed(has_subscribers ? Switch::kOn : Switch::kOff);
  if (Server* server = servers_.find(channel)) server->set_followed(has_subscribers);
}

}  // namespace peeper::daemon
