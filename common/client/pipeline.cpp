#include "common/client/pipeline.hpp"

#include "common/client/exchange.hpp"

namespace peeper {
namespace {

constexpr std::size_t kFlushBytes = 64 * limits::KiB;

}  // namespace

Pipeline::~Pipeline() { client_.exchange_->forget(); }

Result<void> Pipeline::add(Command command) {
  const Result<void> added = client_.exchange_->add(std::move(command));
  if (added && client_.exchange_->unsent_bytes() >= kFlushBytes) client_.exchange_->flush();
  return added;
}

std::size_t Pipeline::unanswered() const { return client_.exchange_->unanswered(); }

Result<resp::Reply> Pipeline::next() { return client_.exchange_->next(); }

std::vector<Result<resp::Reply>> Pipeline::collect() {
  std::vector<Result<resp::Reply>> replies;
  replies.reserve(unanswered());
  while (unanswered() > 0) replies.push_back(next());
  return replies;
}

}  // namespace peeper
