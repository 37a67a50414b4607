// The calls of one server that wait for their reply, by request and by deadline.
//
// Owner: Server. Thread: the loop's. Each call ends exactly once: by take(), by expire() or by
// take_any().
#pragma once

#include <boost/intrusive/set.hpp>
#include <boost/unordered_map.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "daemon/instant.hpp"

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
  bool is_system = false;  // not the behaviour's: no trace shows it
};

class Calls {
 public:
  void add(std::uint64_t request, ReplyTarget target, Instant deadline) {
    Call& call = calls_[request];
    call.request = request;
    call.target = std::move(target);
    call.deadline = deadline;
    // Mostly the same timeout: the latest deadline is the new one's.
    by_deadline_.insert(by_deadline_.end(), call);
  }

  [[nodiscard]] std::optional<ReplyTarget> take(std::uint64_t request) {
    const auto found = calls_.find(request);
    if (found == calls_.end()) return std::nullopt;
    ReplyTarget target = std::move(found->second.target);
    by_deadline_.erase(by_deadline_.iterator_to(found->second));
    calls_.erase(found);
    return target;
  }

  // The next one whose deadline has passed.
  [[nodiscard]] std::optional<ReplyTarget> expire(Instant now) {
    if (by_deadline_.empty() || by_deadline_.begin()->deadline > now) return std::nullopt;
    return take(by_deadline_.begin()->request);
  }
  [[nodiscard]] std::optional<Instant> earliest() const {
    if (by_deadline_.empty()) return std::nullopt;
    return by_deadline_.begin()->deadline;
  }

  [[nodiscard]] std::optional<ReplyTarget> take_any() {
    if (calls_.empty()) return std::nullopt;
    return take(by_deadline_.begin()->request);
  }

  [[nodiscard]] std::size_t size() const { return calls_.size(); }

 private:
  struct Call : boost::intrusive::set_base_hook<> {
    std::uint64_t request = 0;
    ReplyTarget target;
    Instant deadline;
    bool operator<(const Call& other) const { return deadline < other.deadline; }
  };

  boost::unordered_map<std::uint64_t, Call> calls_;  // its nodes stay where they are
  boost::intrusive::multiset<Call> by_deadline_;
};

}  // namespace peeper::daemon
