#include "daemon/output/output_ring.hpp"

#include <algorithm>
#include <queue>

#include "common/limits.hpp"

namespace peeper::daemon {
namespace {

std::size_t cost_of(const OutputLine& line) { return limits::kOutputLineCost + line.text.size(); }

}  // namespace

const OutputLine& OutputRing::add(OutputLine line) {
  line.number = ++last_number_;
  cost_ += cost_of(line);
  lines_.push_back(std::move(line));
  while (cost_ > limits::kOutputKeptCost) {
    const OutputLine& oldest = lines_.front();
    cost_ -= cost_of(oldest);
    dropped_ += oldest.dropped + 1;
    lines_.pop_front();
  }
  return lines_.back();
}

std::vector<ServersLine> last_lines(std::span<const ServersRing> rings, std::size_t most) {
  // The newest of each ring that wasn't taken yet; the newest of those on top.
  struct Next {
    const ServersRing* from;
    std::size_t left;
    [[nodiscard]] const OutputLine& line() const { return from->ring->lines()[left - 1]; }
    bool operator<(const Next& other) const { return line().at_ns < other.line().at_ns; }
  };
  std::priority_queue<Next> newest;
  for (const ServersRing& ring : rings)
    if (const std::size_t size = ring.ring->lines().size(); size != 0) newest.push({&ring, size});
  std::vector<ServersLine> lines;
  while (lines.size() < most && !newest.empty()) {
    Next next = newest.top();
    newest.pop();
    const OutputLine& line = next.line();
    --next.left;
    const std::uint64_t before = next.left == 0 ? next.from->ring->dropped() : 0;
    lines.push_back({next.from->server, &line, line.dropped + before});
    if (next.left != 0) newest.push(next);
  }
  std::ranges::reverse(lines);
  return lines;
}

}  // namespace peeper::daemon
