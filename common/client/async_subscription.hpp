// What servers publish, on Boost.Asio: Subscription (subscription.hpp) without blocking. Has a
// connection of its own.
//
//   peeper::AsyncSubscription ticks(io, {"clock/ticks"}, options);
//   while (auto got = co_await ticks.async_next(asio::use_awaitable)) show(got->value);
//
// Signature: void(Result<Publication>). Several async_next() may wait; they are served in order.
// It connects at the first, and while none waits nothing is read: whoever takes too little is
// disconnected by peeperd. After a lost connection it subscribes again by itself; the next
// publication says that some may be missing (Publication::missed).
//
// Failures: peeperd could not be reached for as long as the options' timeout (the errors of
// AsyncClient), it refuses the subscription (EREMOTEIO), ECANCELED. It may be asked again after
// each. There is no timeout for a publication: cancel through the handler's slot.
// Threads, executors, the end: as AsyncClient.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution_context.hpp>
#include <concepts>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/client/completion.hpp"
#include "common/client/options.hpp"
#include "common/client/publication.hpp"
#include "common/result.hpp"

namespace peeper {

namespace client_detail {

class AsyncFeed;

void submit(const std::shared_ptr<AsyncFeed>& feed, AnyCompletion<Publication> completion,
            asio::cancellation_slot slot);

}  // namespace client_detail

class AsyncSubscription {
 public:
  AsyncSubscription(boost::asio::any_io_executor executor, std::vector<std::string> channels,
                    ClientOptions options = {});
  template <class Context>
    requires std::derived_from<Context, boost::asio::execution_context>
  AsyncSubscription(Context& context, std::vector<std::string> channels,
                    ClientOptions options = {})
      : AsyncSubscription(boost::asio::any_io_executor(context.get_executor()), std::move(channels),
                          std::move(options)) {}
  AsyncSubscription(AsyncSubscription&&) noexcept = default;
  AsyncSubscription& operator=(AsyncSubscription&&) = delete;
  ~AsyncSubscription();

  template <class Token>
  auto async_next(Token&& token) {
    return client_detail::initiate<Publication>(
        executor_,
        [feed = feed_](auto completion, const boost::asio::cancellation_slot& slot) {
          client_detail::submit(feed, std::move(completion), slot);
        },
        std::forward<Token>(token));
  }

  // Completes all with ECANCELED, now and from now on.
  void close();

  using executor_type = boost::asio::any_io_executor;
  [[nodiscard]] executor_type get_executor() const { return executor_; }

 private:
  boost::asio::any_io_executor executor_;
  std::shared_ptr<client_detail::AsyncFeed> feed_;
};

}  // namespace peeper
