// A way to a server on which requests are answered in order: what a load goes through. A socket is
// one (socket_lane.hpp); another transport is another class.
//
// All requests of a lane are the same, so that sending one costs next to nothing. Nothing blocks.
// Thread: its owner's. A failure is the end of the lane.
#pragma once

#include <cstddef>
#include <string_view>

#include "common/result.hpp"

namespace peeper::load {

class Lane {
 public:
  class Answers {
   public:
    // The oldest request that had no answer has one. `error`: "CODE text"; empty if it is none.
    virtual void answered(std::string_view error) = 0;

   protected:
    ~Answers() = default;
  };

  virtual ~Lane() = default;

  // So many more requests, as far as there is room for them now.
  virtual Result<void> send(std::size_t count) = 0;
  // Some of them still wait for room: flush() when the descriptor is writable.
  [[nodiscard]] virtual bool is_full() const = 0;
  virtual Result<void> flush() = 0;
  // Tells of the answers there are. They may be more than one call takes.
  virtual Result<void> take(Answers& answers) = 0;
  // Readable when there is something to take. The lane's.
  [[nodiscard]] virtual int descriptor() const = 0;
};

}  // namespace peeper::load
