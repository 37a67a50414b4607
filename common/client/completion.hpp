// The handler of an asynchronous operation, of any type: move-only, called once, through its own
// executor, never from inside the call that started it.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <memory>
#include <type_traits>
#include <utility>

#include "common/result.hpp"

namespace peeper::client_detail {

namespace asio = boost::asio;

template <class T>
class Completion {
 public:
  virtual ~Completion() = default;
  virtual void complete(Result<T> result) = 0;
};

template <class T, class Handler>
class CompletionOf final : public Completion<T> {
 public:
  CompletionOf(Handler handler, const asio::any_io_executor& executor)
      : handler_(std::move(handler)), work_(asio::get_associated_executor(handler_, executor)) {}

  void complete(Result<T> result) override {
    asio::post(work_.get_executor(),
               [handler = std::move(handler_), result = std::move(result)]() mutable {
                 asio::get_associated_cancellation_slot(handler).clear();
                 std::move(handler)(std::move(result));
               });
    work_.reset();
  }

 private:
  using Executor = asio::associated_executor_t<Handler, asio::any_io_executor>;

  Handler handler_;
  asio::executor_work_guard<Executor> work_;  // its executor runs until then
};

template <class T>
using AnyCompletion = std::unique_ptr<Completion<T>>;

// Makes of a completion token what the caller of an async_… function gets. `start` is called with
// an AnyCompletion and the handler's cancellation slot.
template <class T, class Start, class Token>
auto initiate(const asio::any_io_executor& executor, Start start, Token&& token) {
  return asio::async_initiate<Token, void(Result<T>)>(
      [executor, start = std::move(start)](auto handler) mutable {
        const asio::cancellation_slot slot = asio::get_associated_cancellation_slot(handler);
        using Made = CompletionOf<T, std::decay_t<decltype(handler)>>;
        start(AnyCompletion<T>(std::make_unique<Made>(std::move(handler), executor)), slot);
      },
      token);
}

}  // namespace peeper::client_detail
