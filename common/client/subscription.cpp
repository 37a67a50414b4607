#include "common/client/subscription.hpp"

#include <cerrno>
#include <thread>
#include <utility>

#include "common/client/failures.hpp"
#include "common/client/tokens.hpp"

namespace peeper {

using namespace client_detail;

Subscription::Subscription(std::vector<std::string> channels, ClientOptions options)
    : options_(std::move(options)),
      channels_(std::move(channels)),
      backoff_(options_.first_pause, options_.longest_pause) {}

Result<Subscription> Subscription::open(std::vector<std::string> channels, ClientOptions options) {
  if (channels.empty()) return Failure{"a subscription needs a channel", EINVAL};
  Subscription subscription(std::move(channels), std::move(options));
  const Result<void> connected = subscription.connect(subscription.options_.timeout);
  if (!connected) return connected.error();
  return subscription;
}

Result<void> Subscription::connect(Milliseconds timeout) {
  if (connection_) return {};
  const Clock::time_point deadline = after(Clock::now(), timeout);
  Result<Connection> connected = Connection::connect(options_.socket, timeout);
  if (!connected) return connected.error();
  const Result<resp::Reply> hello = connected->hello(3, left_until(deadline, Clock::now()));
  if (!hello) return hello.error();
  if (hello->is_error()) return refused(*hello);
  if (const auto subscribed = subscribe(*connected, deadline); !subscribed) {
    early_.clear();
    return subscribed;
  }
  connection_ = std::move(*connected);
  if (std::exchange(was_connected_, true)) {
    ++losses_;
    missed_ = true;
  }
  backoff_.reset();
  return {};
}

Result<void> Subscription::subscribe(Connection& connection, Clock::time_point deadline) {
  const Result<void> sent =
      connection.send_raw(subscribe_command(channels_), left_until(deadline, Clock::now()));
  if (!sent) return sent;
  while (true) {
    Result<resp::Reply> got = connection.receive(left_until(deadline, Clock::now()));
    if (!got) return got.error();
    if (got->is_error()) return Failure{"cannot subscribe: " + got->text, EREMOTEIO};
    if (is_pong(*got)) return {};
    if (auto publication = publication_in(std::move(*got))) {
      early_.push_back(std::move(*publication));
    }
  }
}

Result<Publication> Subscription::next(Milliseconds timeout) {
  const Clock::time_point deadline = after(Clock::now(), timeout);
  const auto told = [this](Publication publication) {
    publication.missed = std::exchange(missed_, false);
    return publication;
  };
  while (true) {
    const Result<void> connected = connect(left_until(deadline, Clock::now()));
    if (!early_.empty()) {
      Publication publication = std::move(early_.front());
      early_.pop_front();
      return told(std::move(publication));
    }
    Failure failure;
    if (connected) {
      Result<resp::Reply> got = connection_->receive(left_until(deadline, Clock::now()));
      if (got) {
        if (auto publication = publication_in(std::move(*got)))
          return told(std::move(*publication));
        continue;
      }
      failure = got.error();
      if (failure.system_error != ETIMEDOUT) connection_.reset();
    } else {
      failure = connected.error();
    }
    if (!is_loss(failure)) return failure;
    const Clock::time_point until = after(Clock::now(), backoff_.next(random_number()));
    if (until >= deadline) return failure;
    std::this_thread::sleep_until(until);
  }
}

}  // namespace peeper
