// The two edges of a commit: some of the last instructions at which a message has not happened, and
// the first at which it has. A worker walks there one instruction at a time, to be killed.
#pragma once

#include <cstdint>

#include "common/segment/segment.hpp"
#include "require.hpp"
#include "traced.hpp"

namespace peeper::test {

enum class Edge {
  kBefore,  // the commit is being written down; the one store that makes it true is missing
  kAfter,   // the store is done, nothing after it is: the reply is not yet to be seen
};

// Is that where a process that dies now leaves the commit of `sequence`?
inline bool is_at(const segment::Segment& segment, std::uint64_t sequence, Edge edge) {
  const segment::Control& control = segment.control();
  const std::uint64_t committed = control.committed.load();
  if (edge == Edge::kAfter) return committed == sequence;
  const segment::Slot& slot = control.slot[sequence & 1];
  return committed + 1 == sequence && slot.sequence == sequence;
}

// Leaves the worker there. It must get there by itself, whatever it waits for on the way.
inline void walk_to_edge(Traced& worker, const segment::Segment& segment, std::uint64_t sequence,
                         Edge edge) {
  while (!is_at(segment, sequence, edge)) {
    require(segment.control().committed.load() < sequence, "the walk missed the commit");
    require(worker.step(), "the worker died while it was stepped");
  }
}

}  // namespace peeper::test
