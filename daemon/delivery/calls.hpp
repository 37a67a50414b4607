// The calls of one server that wait for their reply, by request and by deadline.
//
// Owner: Server. Thread: the loop's. Each call ends exactly once: by take(), by expire() or by
// take_any(). Memory: grows with the most calls that ever waited at once; nothing is allocated for
// one more call beyond that.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/loop/instant.hpp"

namespace peeper::daemon {

// Who waits: a connection, which knows its replies by slot.
class ReplySink {
 public:
  virtual ~ReplySink() = default;
  // `value`: one RESP3 value, checked. The slot is filled once; a closed connection ignores it.
  virtual void deliver(std::uint64_t slot, std::string_view value) = 0;
  // For whoever reads a trace: "client 7".
  [[nodiscard]] virtual std::string who() const { return {}; }
};

struct ReplyTarget {
  std::shared_ptr<ReplySink> sink;
  std::uint64_t slot = 0;
  bool is_system = false;  // what sys asks for: it isn't counted
  Instant since{};         // when its command was read
};

class Calls {
 public:
  // `request`: not 0, and none that waits.
  void add(std::uint64_t request, ReplyTarget target, Instant deadline) {
    Call& call = fresh();
    call.request = request;
    call.target = std::move(target);
    call.deadline = deadline;
    insert(call);
    place(call);
  }

  [[nodiscard]] std::optional<ReplyTarget> take(std::uint64_t request) {
    const std::size_t at = find(request);
    if (at == kNone) return std::nullopt;
    Call& call = *table_[at];
    erase(at);
    ReplyTarget target = std::move(call.target);
    displace(call);
    free_.push_back(&call);
    return target;
  }

  // The next one whose deadline has passed.
  [[nodiscard]] std::optional<ReplyTarget> expire(Instant now) {
    const Call* first = next();
    if (first == nullptr || first->deadline > now) return std::nullopt;
    return take(first->request);
  }
  [[nodiscard]] std::optional<Instant> earliest() const {
    const Call* first = next();
    if (first == nullptr) return std::nullopt;
    return first->deadline;
  }

  [[nodiscard]] std::optional<ReplyTarget> take_any() {
    const Call* first = next();
    if (first == nullptr) return std::nullopt;
    return take(first->request);
  }

  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  struct Call {
    boost::intrusive::list_member_hook<> in_queue;
    boost::intrusive::set_member_hook<> in_rest;
    std::uint64_t request = 0;
    ReplyTarget target;
    Instant deadline;
    std::uint32_t queue = 0;  // kQueues: it is in rest_
    bool operator<(const Call& other) const { return deadline < other.deadline; }
  };
  using Queue = boost::intrusive::list<
      Call, boost::intrusive::member_hook<Call, boost::intrusive::list_member_hook<>,
                                          &Call::in_queue>,
      boost::intrusive::constant_time_size<false>>;
  using Rest = boost::intrusive::multiset<
      Call, boost::intrusive::member_hook<Call, boost::intrusive::set_member_hook<>,
                                          &Call::in_rest>,
      boost::intrusive::constant_time_size<false>>;

  Call& fresh() {
    if (free_.empty()) return calls_.emplace_back();
    Call& call = *free_.back();
    free_.pop_back();
    return call;
  }

  // --- By deadline -------------------------------------------------------------------------------
  // A timeout that is always the same makes deadlines that only grow: those of some few timeouts
  // get a queue each, in order by itself. What fits behind none of them is sorted.
  static constexpr std::uint32_t kQueues = 4;

  void place(Call& call) {
    std::uint32_t best = kQueues;
    for (std::uint32_t i = 0; i < kQueues; ++i) {
      if (queues_[i].empty()) {
        if (best == kQueues) best = i;
      } else if (const Instant last = queues_[i].back().deadline; last <= call.deadline) {
        if (best == kQueues || queues_[best].empty() || queues_[best].back().deadline < last)
          best = i;
      }
    }
    call.queue = best;
    if (best == kQueues)
      rest_.insert(rest_.end(), call);
    else
      queues_[best].push_back(call);
  }
  void displace(Call& call) {
    if (call.queue == kQueues)
      rest_.erase(rest_.iterator_to(call));
    else
      queues_[call.queue].erase(Queue::s_iterator_to(call));
  }
  [[nodiscard]] const Call* next() const {
    const Call* first = rest_.empty() ? nullptr : &*rest_.begin();
    for (const Queue& queue : queues_)
      if (!queue.empty() && (first == nullptr || queue.front() < *first)) first = &queue.front();
    return first;
  }

  // --- By request --------------------------------------------------------------------------------
  // The golden ratio spreads numbers in a row evenly, also those that stayed open for long among
  // those of now. What finds its place taken is in the next free one, and moves up when one leaves.
  // (boost::unordered_flat_map is made anew every so often when as many are erased as inserted.)
  static constexpr std::size_t kNone = SIZE_MAX;
  static constexpr std::uint32_t kLeastPlacesLog2 = 8;

  [[nodiscard]] std::size_t home(std::uint64_t request) const {
    return (request * 0x9e37'79b9'7f4a'7c15) >> (64 - places_log2_);
  }
  [[nodiscard]] std::size_t after(std::size_t at) const { return (at + 1) & (table_.size() - 1); }

  void insert(Call& call) {
    if (2 * (size_ + 1) > table_.size()) grow();
    ++size_;
    put(call);
  }
  void put(Call& call) {
    std::size_t at = home(call.request);
    while (table_[at] != nullptr) at = after(at);
    table_[at] = &call;
  }
  void grow() {
    places_log2_ = table_.empty() ? kLeastPlacesLog2 : places_log2_ + 1;
    const auto before = std::exchange(table_, std::vector<Call*>(std::size_t{1} << places_log2_));
    for (Call* const call : before)
      if (call != nullptr) put(*call);
  }
  [[nodiscard]] std::size_t find(std::uint64_t request) const {
    if (size_ == 0) return kNone;
    for (std::size_t at = home(request); table_[at] != nullptr; at = after(at))
      if (table_[at]->request == request) return at;
    return kNone;
  }
  void erase(std::size_t hole) {
    --size_;
    for (std::size_t at = after(hole); table_[at] != nullptr; at = after(at)) {
      // It may move to the hole unless its home is between the hole and itself.
      const std::size_t from_home = (at - home(table_[at]->request)) & (table_.size() - 1);
      const std::size_t from_hole = (at - hole) & (table_.size() - 1);
      if (from_home < from_hole) continue;
      table_[hole] = table_[at];
      hole = at;
    }
    table_[hole] = nullptr;
  }

  std::deque<Call> calls_;    // they stay where they are
  std::vector<Call*> free_;   // of them
  std::vector<Call*> table_;  // a power of two of places, at most half of them taken
  std::uint32_t places_log2_ = 0;
  std::size_t size_ = 0;
  std::array<Queue, kQueues> queues_;
  Rest rest_;
};

}  // namespace peeper::daemon
