// Calls against a plain model, with timeouts of all sorts.
#include <doctest/doctest.h>

#include <map>
#include <random>

#include "daemon/delivery/calls.hpp"

using namespace peeper::daemon;
using namespace std::chrono_literals;

TEST_CASE("calls: each ends once, by its reply or at its deadline, whatever else is open") {
  const std::uint32_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random{seed};
  Calls calls;
  std::map<std::uint64_t, Instant> open;
  Instant now{};
  std::uint64_t last = 0;
  const auto first_due = [&] {
    Instant first = Instant::max();
    for (const auto& [request, deadline] : open) first = std::min(first, deadline);
    return first;
  };
  for (int step = 0; step < 60'000; ++step) {
    now += std::chrono::microseconds(random() % 200);
    const std::size_t wanted = step / 10'000 % 2 == 0 ? 700 : 20;
    switch (open.size() < wanted ? random() % 3 : 1 + random() % 4) {
      case 0: {
        const auto timeout = random() % 10 != 0 ? 50ms : random() % 2 != 0 ? 400ms
                                                       : std::chrono::milliseconds(random() % 90);
        ++last;
        calls.add(last, {nullptr, last, false}, now + timeout);
        open[last] = now + timeout;
        break;
      }
      case 1:
        if (!open.empty()) {
          const auto chosen = std::next(open.begin(), static_cast<long>(random() % open.size()));
          const auto taken = calls.take(chosen->first);
          REQUIRE(taken.has_value());
          REQUIRE(taken->slot == chosen->first);
          open.erase(chosen);
        }
        break;
      case 2: REQUIRE_FALSE(calls.take(last + 1 + random() % 1'000).has_value()); break;
      default:
        if (const auto expired = calls.expire(now)) {
          REQUIRE(open.at(expired->slot) == first_due());
          REQUIRE(first_due() <= now);
          open.erase(expired->slot);
        } else {
          REQUIRE(first_due() > now);
        }
    }
    REQUIRE(calls.size() == open.size());
    if (step % 16 == 0) REQUIRE(calls.earliest().value_or(Instant::max()) == first_due());
  }
  while (const auto left = calls.take_any()) REQUIRE(open.erase(left->slot) == 1);
  CHECK(open.empty());
  CHECK_FALSE(calls.earliest().has_value());
}
