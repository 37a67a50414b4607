// Many lanes under one thread: sends through any of them, waits for all, and knows how long each
// request has been under way. When to send what is decided by others: load.hpp keeps so many
// requests under way, the benchmarks also offer so many a second.
//
// Nothing blocks but turn(), as long as it is told. A failure of one lane is told once, and it is
// looked at no more.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "common/load/lane.hpp"
#include "common/unique_fd.hpp"

namespace peeper::load {

class Crowd {
 public:
  class Events {
   public:
    // `sent`, `now`: as now_ns() counts. `error`: empty if the answer is none. Must not send.
    virtual void answered(std::size_t lane, std::uint64_t sent, std::uint64_t now,
                          std::string_view error) = 0;
    // All that had arrived on a lane has been told. May send.
    virtual Result<void> served(std::size_t lane, std::uint64_t now) = 0;

   protected:
    ~Events() = default;
  };

  static Result<Crowd> gather(std::vector<std::unique_ptr<Lane>> lanes);

  [[nodiscard]] std::size_t size() const { return seats_.size(); }
  Result<void> send(std::size_t lane, std::size_t count, std::uint64_t now);
  // Waits until there is something to do, at most so long, and does it. Zero: looks only.
  Result<void> turn(std::chrono::milliseconds at_most, Events& events);

  // Requests without an answer: of all, of one lane.
  [[nodiscard]] std::uint64_t under_way() const { return under_way_; }
  [[nodiscard]] std::uint64_t under_way(std::size_t lane) const {
    return seats_[lane].under_way;
  }
  // Some of the lane's requests have not even left this process.
  [[nodiscard]] bool is_full(std::size_t lane) const { return seats_[lane].lane->is_full(); }
  // When the request was sent that has waited longest; `now` if none waits. Looks at each lane.
  [[nodiscard]] std::uint64_t oldest(std::uint64_t now) const;

 private:
  // Requests that were sent together.
  struct Batch {
    std::uint64_t sent;
    std::size_t count;
  };
  struct Seat {
    std::unique_ptr<Lane> lane;
    std::deque<Batch> batches;  // oldest first
    std::uint64_t under_way = 0;
    bool wants_room = false;
  };
  class Taking;

  Crowd() = default;
  Result<void> serve(std::size_t lane, std::uint32_t ready, Events& events);
  void watch_room(std::size_t lane);

  UniqueFd poll_;
  std::vector<Seat> seats_;
  std::uint64_t under_way_ = 0;
};

}  // namespace peeper::load
