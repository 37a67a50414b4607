#include "common/client/async_exchange.hpp"

namespace peeper::client_detail {

using boost::system::error_code;

AsyncExchange::AsyncExchange(asio::any_io_executor executor, ClientOptions options)
    : executor_(std::move(executor)),
      options_(std::move(options)),
      backoff_(options_.first_pause, options_.longest_pause),
      retry_timer_(executor_),
      deadline_timer_(executor_) {}

AsyncExchange::~AsyncExchange() {
  if (connection_) connection_->close();
}

void AsyncExchange::add(const OperationPtr& operation) {
  if (!operation->completion) return;  // cancelled before
  if (is_closed_) return finish(operation, cancelled());
  if (operations_.size() >= limits::kClientUnanswered) {
    return finish(operation, too_many_unanswered());
  }
  Command& command = operation->command;
  if (command.is_message() && command.token().empty() && options_.tokens == Tokens::kMade) {
    command.set_token(tokens_.next());
  }
  operation->id = ++last_id_;
  operation->deadline = after(Clock::now(), patience(command, options_));
  operations_.emplace(operation->id, operation);
  deadlines_.emplace(operation->deadline, operation->id);
  watch_deadlines();
  pump();
}

void AsyncExchange::cancel(const OperationPtr& operation) {
  if (!operation->completion) return;
  finish(operation, cancelled());
  pump();
}

void AsyncExchange::close() {
  is_closed_ = true;
  fail_all(cancelled());
  drop_connection();
  rest();
}

void AsyncExchange::opened() {
  is_open_ = true;
  last_loss_.reset();
  pump();
}

void AsyncExchange::received(resp::Reply reply) {
  if (reply.type == resp::Reply::Type::kPush) return;
  if (sent_.empty()) return lost(unasked());
  const auto found = operations_.find(sent_.front());
  sent_.pop_front();
  backoff_.reset();
  if (found != operations_.end()) {
    const OperationPtr operation = found->second;
    finish(operation, std::move(reply));
  }
  if (operations_.empty()) rest();
}

void AsyncExchange::lost(const Failure& failure) {
  const bool was_asked = !sent_.empty();
  take_back_sent(failure);
  drop_connection();
  last_loss_ = failure;
  // What no other try can mend, such as a wrong path: nothing would come of the others either.
  if (!is_loss(failure) && !was_asked) fail_all(failure);
  if (operations_.empty()) return rest();
  retry_later();
}

void AsyncExchange::pump() {
  if (operations_.empty()) return rest();
  if (is_pausing_) return;
  if (!connection_) {
    connection_ = std::make_shared<AsyncConnection>(
        executor_, std::weak_ptr<AsyncConnection::Events>(weak_from_this()));
    connection_->open(options_.socket);
  } else if (is_open_) {
    send_waiting();
    connection_->read();
  }
}

void AsyncExchange::send_waiting() {
  std::string bytes;
  const Clock::time_point now = Clock::now();
  const std::uint64_t given = connection_->bytes_given();
  for (auto it = operations_.lower_bound(next_unsent_); it != operations_.end(); ++it) {
    Operation& operation = *it->second;
    const Milliseconds left = left_until(operation.deadline, now);
    operation.command.append_to(bytes, server_time(operation.command, options_, left));
    operation.end = given + bytes.size();
    sent_.push_back(operation.id);
    next_unsent_ = operation.id + 1;
  }
  if (!bytes.empty()) connection_->write(bytes);
}

// Nothing under way keeps the io_context running.
void AsyncExchange::rest() {
  watch_deadlines();
  if (is_pausing_) {
    is_pausing_ = false;
    retry_timer_.cancel();
  }
  if (!connection_) return;
  // Bytes that peeperd doesn't take would keep it running, too.
  if (!is_open_ || connection_->is_writing()) return drop_connection();
  connection_->pause();
}

void AsyncExchange::retry_later() {
  is_pausing_ = true;
  retry_timer_.expires_after(backoff_.next(random_number()));
  retry_timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (error || !self || !self->is_pausing_) return;
    self->is_pausing_ = false;
    self->pump();
  });
}

void AsyncExchange::watch_deadlines() {
  if (deadlines_.empty()) {
    watched_.reset();
    deadline_timer_.cancel();
    return;
  }
  const Clock::time_point first = deadlines_.begin()->first;
  // One that is set too early looks again by itself.
  if (watched_ && *watched_ <= first) return;
  watched_ = first;
  deadline_timer_.expires_at(first);
  deadline_timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (!error && self) self->expire();
  });
}

void AsyncExchange::expire() {
  watched_.reset();
  const Clock::time_point now = Clock::now();
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const OperationPtr operation = operations_.at(deadlines_.begin()->second);
    const Milliseconds waited = patience(operation->command, options_);
    const Carried carried = may_have_left(*operation) ? Carried::kMaybe : Carried::kNot;
    const bool is_away = !is_open_ && last_loss_;
    finish(operation, is_away ? gave_up(*last_loss_, waited, carried) : no_answer(waited, carried));
  }
  if (operations_.empty()) return rest();
  watch_deadlines();
}

void AsyncExchange::fail_all(const Failure& failure) {
  while (!operations_.empty()) {
    const OperationPtr operation = operations_.begin()->second;
    finish(operation, failure);
  }
}

void AsyncExchange::finish(const OperationPtr& operation, Result<resp::Reply> result) {
  if (operation->id != 0) {
    deadlines_.erase({operation->deadline, operation->id});
    operations_.erase(operation->id);
  }
  const auto completion = std::move(operation->completion);
  completion->complete(std::move(result));
}

void AsyncExchange::take_back_sent(const Failure& failure) {
  bool is_oldest = true;
  for (const std::uint64_t id : sent_) {
    const auto found = operations_.find(id);
    if (found == operations_.end()) continue;
    const OperationPtr operation = found->second;
    const bool may_run = may_have_left(*operation);
    operation->ever_sent = may_run;
    if (!is_loss(failure) && is_oldest) {
      finish(operation, failure);  // this is what it was answered
    } else if (may_run && !operation->command.is_repeatable()) {
      finish(operation, lost_without_token(failure));
    }
    operation->end = 0;
    is_oldest = false;
  }
  sent_.clear();
  next_unsent_ = 0;
}

void AsyncExchange::drop_connection() {
  if (connection_) connection_->close();
  connection_.reset();
  is_open_ = false;
  sent_.clear();
  next_unsent_ = 0;
}

bool AsyncExchange::may_have_left(const Operation& operation) const {
  if (operation.ever_sent || operation.end == 0 || !connection_) return operation.ever_sent;
  return operation.end <= connection_->bytes_written_at_most();
}

}  // namespace peeper::client_detail
