#include "common/client/client.hpp"

#include <cerrno>

#include "common/client/channel.hpp"
#include "common/client/exchange.hpp"

namespace peeper {

using client_detail::Exchange;

Result<Client> Client::connect(ClientOptions options) {
  auto exchange = std::make_unique<Exchange>(std::move(options));
  const Result<void> connected = exchange->connect(exchange->options().timeout);
  if (!connected) return connected.error();
  return Client(std::move(exchange));
}

Client::Client(std::unique_ptr<Exchange> exchange) : exchange_(std::move(exchange)) {}
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;
Client::~Client() = default;

Result<resp::Reply> Client::run(Command command) {
  if (exchange_->unanswered() > 0) {
    return Failure{"a pipeline of this client still waits for replies; take them first", EBUSY};
  }
  if (const auto added = exchange_->add(std::move(command)); !added) return added.error();
  return exchange_->next();
}

Result<Channel> Client::open_channel(std::string_view server) {
  ChannelOptions options;
  options.socket = this->options().socket;
  options.timeout = this->options().timeout;
  return Channel::open(server, std::move(options));
}

std::string Client::new_token() { return exchange_->new_token(); }
const ClientOptions& Client::options() const { return exchange_->options(); }

}  // namespace peeper
