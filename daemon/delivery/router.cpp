#include "daemon/delivery/router.hpp"

#include "common/check.hpp"

namespace peeper::daemon {

using segment::OutgoingType;

Step on_answer(OutgoingType type, Answer answer) {
  switch (answer) {
    case Answer::kDelivered: return Step::kFinish;
    case Answer::kFull:
    case Answer::kWait: return Step::kWait;
    case Answer::kUnknown:
    case Answer::kDown:
    case Answer::kTooBig: break;
  }
  switch (type) {
    case OutgoingType::kCall: return Step::kTellCaller;
    case OutgoingType::kAnswer:
      return answer == Answer::kTooBig ? Step::kTellReceiver : Step::kDrop;
    case OutgoingType::kCast:
    case OutgoingType::kInfo:
    case OutgoingType::kPublish: break;
  }
  return Step::kDrop;
}

Step on_answer_of_caller(Answer answer) {
  switch (answer) {
    case Answer::kDelivered: return Step::kFinish;
    case Answer::kFull:
    case Answer::kWait: return Step::kWait;
    case Answer::kUnknown:
    case Answer::kDown:
    case Answer::kTooBig: break;
  }
  return Step::kDrop;
}

Router::~Router() { ready_.clear(); }

void Router::add(std::string_view receiver, Place place) {
  records_.push_back({place});
  read_ = place.end;
  ++unfinished_;
  const std::uint64_t count = first_ + records_.size() - 1;
  const auto [found, is_new] = queues_.try_emplace(std::string(receiver));
  Queue& queue = found->second;
  if (is_new) {
    queue.receiver = found->first;
    queue.first = count;
    ready_.push_back(queue);
  } else {
    record(queue.last).next = count;
  }
  queue.last = count;
}

void Router::pass(Place place) {
  records_.push_back({place, 0, true});
  read_ = place.end;
  advance();
}

Router::Turn Router::turn_of(const Queue& queue) const {
  return {queue.receiver, record(queue.first).place.position};
}

std::optional<Router::Turn> Router::next() const {
  if (ready_.empty()) return std::nullopt;
  return turn_of(ready_.front());
}

std::optional<Router::Turn> Router::next(std::string_view receiver) const {
  const auto found = queues_.find(std::string(receiver));
  if (found == queues_.end() || !found->second.is_linked()) return std::nullopt;
  return turn_of(found->second);
}

void Router::finish(std::string_view receiver) {
  const auto found = queues_.find(std::string(receiver));
  PEEPER_CHECK(found != queues_.end(), "a receiver without messages finished one");
  Queue& queue = found->second;
  Record& done = record(queue.first);
  done.finished = true;
  --unfinished_;
  queue.first = done.next;
  queue.unlink();
  if (queue.first == 0)
    queues_.erase(found);
  else
    ready_.push_back(queue);
  advance();
}

void Router::block(std::string_view receiver) {
  const auto found = queues_.find(std::string(receiver));
  if (found != queues_.end()) found->second.unlink();
}

void Router::unblock(std::string_view receiver) {
  const auto found = queues_.find(std::string(receiver));
  if (found != queues_.end() && !found->second.is_linked()) ready_.push_back(found->second);
}

void Router::advance() {
  while (!records_.empty() && records_.front().finished) {
    head_ = records_.front().place.end;
    records_.pop_front();
    ++first_;
  }
}

}  // namespace peeper::daemon
