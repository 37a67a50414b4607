#include "common/client/async_client.hpp"

#include <boost/asio/dispatch.hpp>

#include "common/client/async_exchange.hpp"

namespace peeper {

using client_detail::AsyncExchange;

AsyncClient::AsyncClient(boost::asio::any_io_executor executor, ClientOptions options)
    : executor_(std::move(executor)),
      exchange_(std::make_shared<AsyncExchange>(executor_, std::move(options))) {}

AsyncClient::~AsyncClient() { close(); }

void AsyncClient::close() {
  if (!exchange_) return;  // moved from
  boost::asio::dispatch(executor_, [exchange = exchange_] { exchange->close(); });
}

namespace client_detail {

void submit(const std::shared_ptr<AsyncExchange>& exchange, Command command,
            AnyCompletion<resp::Reply> completion, asio::cancellation_slot slot) {
  auto operation = std::make_shared<AsyncExchange::Operation>(std::move(command));
  operation->completion = std::move(completion);
  if (slot.is_connected()) {
    slot.assign([weak_exchange = std::weak_ptr(exchange),
                 weak_operation = std::weak_ptr(operation)](asio::cancellation_type type) {
      const auto target = weak_exchange.lock();
      if (!target || type == asio::cancellation_type::none) return;
      asio::dispatch(target->executor(), [target, weak_operation] {
        if (const auto cancelled = weak_operation.lock()) target->cancel(cancelled);
      });
    });
  }
  asio::dispatch(exchange->executor(), [exchange, operation] { exchange->add(operation); });
}

}  // namespace client_detail
}  // namespace peeper
