#include "common/client/async_subscription.hpp"

#include <algorithm>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <deque>
#include <optional>

#include "common/client/async_connection.hpp"
#include "common/client/failures.hpp"
#include "common/client/tokens.hpp"

namespace peeper {
namespace client_detail {

using boost::system::error_code;

// Those who wait for a publication, and the connection on which it will come, or the next one.
// Owner: AsyncSubscription, and the operations under way. Thread: the executor's.
class AsyncFeed : public AsyncConnection::Events, public std::enable_shared_from_this<AsyncFeed> {
 public:
  struct Waiter {
    AnyCompletion<Publication> completion;
  };
  using WaiterPtr = std::shared_ptr<Waiter>;

  AsyncFeed(asio::any_io_executor executor, std::vector<std::string> channels,
            ClientOptions options)
      : executor_(std::move(executor)),
        options_(std::move(options)),
        channels_(std::move(channels)),
        backoff_(options_.first_pause, options_.longest_pause),
        retry_timer_(executor_) {}
  virtual ~AsyncFeed() {
    if (connection_) connection_->close();
  }

  [[nodiscard]] const asio::any_io_executor& executor() const { return executor_; }

  void add(const WaiterPtr& waiter) {
    if (!waiter->completion) return;  // cancelled before
    if (is_closed_) return finish(waiter, cancelled());
    if (channels_.empty()) {
      return finish(waiter, Failure{"a subscription needs a channel", EINVAL});
    }
    waiters_.push_back(waiter);
    pump();
  }

  void cancel(const WaiterPtr& waiter) {
    if (!waiter->completion) return;
    std::erase(waiters_, waiter);
    finish(waiter, cancelled());
    pump();
  }

  void close() {
    is_closed_ = true;
    fail_all(cancelled());
    drop_connection();
    pump();
  }

  void opened() override {
    is_open_ = true;
    connection_->write(subscribe_command(channels_));
    connection_->read();
  }

  void received(resp::Reply reply) override {
    if (!stands_ && reply.is_error()) {
      fail_all({"cannot subscribe: " + reply.text, EREMOTEIO});
      drop_connection();
      return pump();
    }
    if (!stands_ && is_pong(reply)) {
      stands_ = true;
      unreachable_since_.reset();
      backoff_.reset();
      return;
    }
    auto publication = publication_in(std::move(reply));
    if (!publication) return;
    publication->missed = std::exchange(missed_, false);
    has_delivered_ = true;
    const WaiterPtr waiter = waiters_.front();
    waiters_.pop_front();
    finish(waiter, std::move(*publication));
    pump();
  }

  void lost(const Failure& failure) override {
    missed_ = missed_ || stands_ || has_delivered_;
    drop_connection();
    if (waiters_.empty()) return;
    const Clock::time_point now = Clock::now();
    if (!unreachable_since_) unreachable_since_ = now;
    if (!is_loss(failure)) {
      fail_all(failure);
    } else if (now - *unreachable_since_ >= options_.timeout) {
      fail_all(gave_up(failure, options_.timeout, Carried::kNot));
    }
    if (waiters_.empty()) return pump();
    is_pausing_ = true;
    retry_timer_.expires_after(backoff_.next(random_number()));
    retry_timer_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (error || !self || !self->is_pausing_) return;
      self->is_pausing_ = false;
      self->pump();
    });
  }

 private:
  // Takes the next step: connects, reads, or rests when nobody waits.
  void pump() {
    if (waiters_.empty()) return rest();
    if (is_pausing_) return;
    if (connection_) return connection_->read();
    connection_ = std::make_shared<AsyncConnection>(
        executor_, std::weak_ptr<AsyncConnection::Events>(weak_from_this()));
    connection_->open(options_.socket);
  }

  // Nothing under way keeps the io_context running.
  void rest() {
    unreachable_since_.reset();
    if (std::exchange(is_pausing_, false)) retry_timer_.cancel();
    if (connection_ && is_open_) return connection_->pause();
    drop_connection();
  }

  void drop_connection() {
    if (connection_) connection_->close();
    connection_.reset();
    is_open_ = false;
    stands_ = false;
    has_delivered_ = false;
  }

  void fail_all(const Failure& failure) {
    while (!waiters_.empty()) {
      const WaiterPtr waiter = waiters_.front();
      waiters_.pop_front();
      finish(waiter, failure);
    }
  }

  static void finish(const WaiterPtr& waiter, Result<Publication> result) {
    const auto completion = std::move(waiter->completion);
    completion->complete(std::move(result));
  }

  asio::any_io_executor executor_;
  ClientOptions options_;
  std::vector<std::string> channels_;
  Backoff backoff_;
  std::shared_ptr<AsyncConnection> connection_;
  std::deque<WaiterPtr> waiters_;
  // Of this connection: it took HELLO; the subscription is confirmed; something came by it, which
  // may be before that.
  bool is_open_ = false;
  bool stands_ = false;
  bool has_delivered_ = false;
  bool missed_ = false;  // to tell: such a connection was lost
  bool is_closed_ = false;
  std::optional<Clock::time_point> unreachable_since_;
  asio::steady_timer retry_timer_;
  bool is_pausing_ = false;
};

void submit(const std::shared_ptr<AsyncFeed>& feed, AnyCompletion<Publication> completion,
            asio::cancellation_slot slot) {
  auto waiter = std::make_shared<AsyncFeed::Waiter>();
  waiter->completion = std::move(completion);
  if (slot.is_connected()) {
    slot.assign([weak_feed = std::weak_ptr(feed),
                 weak_waiter = std::weak_ptr(waiter)](asio::cancellation_type type) {
      const auto target = weak_feed.lock();
      if (!target || type == asio::cancellation_type::none) return;
      asio::dispatch(target->executor(), [target, weak_waiter] {
        if (const auto cancelled_one = weak_waiter.lock()) target->cancel(cancelled_one);
      });
    });
  }
  asio::dispatch(feed->executor(), [feed, waiter] { feed->add(waiter); });
}

}  // namespace client_detail

using client_detail::AsyncFeed;

AsyncSubscription::AsyncSubscription(boost::asio::any_io_executor executor,
                                     std::vector<std::string> channels, ClientOptions options)
    : executor_(std::move(executor)),
      feed_(std::make_shared<AsyncFeed>(executor_, std::move(channels), std::move(options))) {}

AsyncSubscription::~AsyncSubscription() { close(); }

void AsyncSubscription::close() {
  if (!feed_) return;  // moved from
  boost::asio::dispatch(executor_, [feed = feed_] { feed->close(); });
}

}  // namespace peeper
