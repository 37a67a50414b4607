// Talks to the servers of a peeperd on Boost.Asio, and outlives the connection: as Client does,
// with the same answers and failures (client.hpp), but without blocking, and with many commands on
// their way at once. Their replies come in the order of the commands: a server that is slow delays
// the replies of those asked after it. Where that matters, take a client for each.
//
//   peeper::AsyncClient client(io, {.socket = "peeperd.sock"});
//   client.async_call("counter", "add", 5, [](peeper::Result<peeper::resp::Reply> sum) { … });
//   auto sum = co_await client.async_call("counter", "add", 5, asio::use_awaitable);
//   client.async_cast("log", "line", text, asio::use_future).get();
//
// The last argument is any completion token; its signature is void(Result<resp::Reply>). Handlers
// run on their associated executor, the client's if they have none, and never inside async_….
//
// There is no connect: the first command connects, and waits for a peeperd that isn't there like
// for one that went away. While nothing is asked nothing is read, and io_context::run() may return.
//
// Thread: the async_… functions, close() and the destructor may be called on any, if the executor
// is a strand or its io_context is run by one thread; its own work runs there. The io_context must
// live longer than the client.
//
// The end: what is still open at close() or destruction is completed with ECANCELED, as is a
// command that is cancelled through its handler's slot. Either may have been carried out.
// Bounds: limits::kClientUnanswered commands; beyond, ENOBUFS.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution_context.hpp>
#include <concepts>
#include <cstddef>
#include <memory>
#include <string_view>
#include <tuple>
#include <utility>

#include "common/client/command.hpp"
#include "common/client/completion.hpp"
#include "common/client/convert.hpp"
#include "common/client/options.hpp"
#include "common/resp/reply.hpp"
#include "common/result.hpp"

namespace peeper {

namespace client_detail {

class AsyncExchange;

void submit(const std::shared_ptr<AsyncExchange>& exchange, Command command,
            AnyCompletion<resp::Reply> completion, asio::cancellation_slot slot);

}  // namespace client_detail

class AsyncClient {
 public:
  explicit AsyncClient(boost::asio::any_io_executor executor, ClientOptions options = {});
  template <class Context>
    requires std::derived_from<Context, boost::asio::execution_context>
  explicit AsyncClient(Context& context, ClientOptions options = {})
      : AsyncClient(boost::asio::any_io_executor(context.get_executor()), std::move(options)) {}
  AsyncClient(AsyncClient&&) noexcept = default;
  AsyncClient& operator=(AsyncClient&&) = delete;
  ~AsyncClient();

  // Arguments, texts and numbers, and then the completion token.
  template <class... Rest>
  auto async_call(std::string_view server, std::string_view message, Rest&&... rest) {
    return split(Command::call(server, message),
                 std::forward_as_tuple(std::forward<Rest>(rest)...));
  }
  template <class... Rest>
  auto async_cast(std::string_view server, std::string_view message, Rest&&... rest) {
    return split(Command::cast(server, message),
                 std::forward_as_tuple(std::forward<Rest>(rest)...));
  }
  template <class... Rest>
  auto async_send(std::string_view server, std::string_view message, Rest&&... rest) {
    return split(Command::send(server, message),
                 std::forward_as_tuple(std::forward<Rest>(rest)...));
  }
  // Any command, with a timeout or token of its own.
  template <class Token>
  auto async_run(Command command, Token&& token) {
    return client_detail::initiate<resp::Reply>(
        executor_,
        [exchange = exchange_, command = std::move(command)](
            auto completion, const boost::asio::cancellation_slot& slot) mutable {
          client_detail::submit(exchange, std::move(command), std::move(completion), slot);
        },
        std::forward<Token>(token));
  }

  // Completes all with ECANCELED, now and from now on.
  void close();

  using executor_type = boost::asio::any_io_executor;
  [[nodiscard]] executor_type get_executor() const { return executor_; }

 private:
  template <class Tuple>
  auto split(Command command, Tuple&& rest) {
    constexpr std::size_t kArguments = std::tuple_size_v<std::decay_t<Tuple>> - 1;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (command.add_argument(std::get<I>(rest)), ...);
    }(std::make_index_sequence<kArguments>());
    return async_run(std::move(command), std::get<kArguments>(std::forward<Tuple>(rest)));
  }

  boost::asio::any_io_executor executor_;
  std::shared_ptr<client_detail::AsyncExchange> exchange_;
};

}  // namespace peeper
