// The commands of an AsyncClient that were not answered yet, and the connection they go over, or
// the next one. Not for use by itself.
//
//   add ─▶ waits ─▶ sent ─▶ answered, or its time is over, or cancelled: its handler is called
//            ▲───────┘ the connection is lost (with a token)
//
// Owner: AsyncClient, and the operations it has under way. Thread: the executor's. Nothing blocks.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "common/client/async_connection.hpp"
#include "common/client/command.hpp"
#include "common/client/completion.hpp"
#include "common/client/failures.hpp"
#include "common/client/options.hpp"
#include "common/client/tokens.hpp"

namespace peeper::client_detail {

class AsyncExchange : public AsyncConnection::Events,
                      public std::enable_shared_from_this<AsyncExchange> {
 public:
  struct Operation {
    explicit Operation(Command given) : command(std::move(given)) {}

    Command command;
    AnyCompletion<resp::Reply> completion;  // none once it was called
    Clock::time_point deadline;
    std::uint64_t id = 0;    // in the order of add(); 0: not added yet
    std::uint64_t end = 0;   // of its bytes on the present connection; 0: not sent on it
    bool ever_sent = false;  // on an earlier connection
  };
  using OperationPtr = std::shared_ptr<Operation>;

  AsyncExchange(asio::any_io_executor executor, ClientOptions options);
  virtual ~AsyncExchange();

  void add(const OperationPtr& operation);
  void cancel(const OperationPtr& operation);
  void close();
  [[nodiscard]] const asio::any_io_executor& executor() const { return executor_; }

  void opened() override;
  void received(resp::Reply reply) override;
  void lost(const Failure& failure) override;

 private:
  // Takes the next step: connects, sends what waits, or rests when there is nothing to do.
  void pump();
  void send_waiting();
  void rest();
  void retry_later();
  void watch_deadlines();
  void expire();
  void fail_all(const Failure& failure);
  void finish(const OperationPtr& operation, Result<resp::Reply> result);
  // Those sent on this connection go back to the waiting, or have failed.
  void take_back_sent(const Failure& failure);
  void drop_connection();
  [[nodiscard]] bool may_have_left(const Operation& operation) const;

  asio::any_io_executor executor_;
  ClientOptions options_;
  TokenSource tokens_;
  Backoff backoff_;
  std::shared_ptr<AsyncConnection> connection_;
  bool is_open_ = false;
  bool is_closed_ = false;
  std::optional<Failure> last_loss_;  // since the connection was open last

  std::map<std::uint64_t, OperationPtr> operations_;
  std::uint64_t last_id_ = 0;
  std::uint64_t next_unsent_ = 0;  // ids from here on wait
  // Whose replies come next on this connection; one that isn't in operations_ any more is dropped.
  std::deque<std::uint64_t> sent_;
  std::set<std::pair<Clock::time_point, std::uint64_t>> deadlines_;

  asio::steady_timer retry_timer_;
  bool is_pausing_ = false;
  asio::steady_timer deadline_timer_;
  std::optional<Clock::time_point> watched_;  // what deadline_timer_ is set to
};

}  // namespace peeper::client_detail
