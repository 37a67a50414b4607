// The daemon's count of what is in a mailbox.
#include <doctest/doctest.h>

#include <deque>
#include <random>

#include "daemon/delivery/rings.hpp"
#include "segment_fixture.hpp"

using namespace peeper;
using namespace peeper::daemon;

TEST_CASE("mailbox: what is queued is counted right, however full it is and was") {
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  const test::TestSegment worker;
  const auto open = [&] {
    auto opened = segment::Segment::open(worker.id, segment::View::kRings);
    REQUIRE(opened.has_value());
    return *std::move(opened);
  };
  std::optional<Rings> rings{open()};
  segment::MailboxEnds& ends = worker.segment.control().mailbox;
  std::deque<std::uint64_t> queued;  // where each ends
  const std::string text(400, 'x');
  for (int step = 0; step < 20'000; ++step) {
    const bool fills = step / 1'000 % 2 == 0;
    if ((random() % 3 != 0) == fills) {
      const auto argument = std::string_view{text}.substr(random() % 400);
      const std::vector<std::string_view> strings{"m", argument};
      const auto pushed =
          rings->push({.type = segment::MessageType::kCast, .strings = strings});
      if (pushed == Rings::Push::kDone)
        queued.push_back(ends.tail.load());
      else
        REQUIRE(pushed == Rings::Push::kFull);
    } else if (!queued.empty()) {
      ends.head.store(queued.front());
      queued.pop_front();
    }
    if (step % 7 == 0) REQUIRE(rings->queued() == queued.size());
    if (step % 5'000 == 4'999) {
      rings.reset();
      rings.emplace(open());
      REQUIRE(rings->queued() == queued.size());
    }
  }
}
