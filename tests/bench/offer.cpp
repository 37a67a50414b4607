#include "offer.hpp"

#include <utility>

#include "common/clock.hpp"
#include "require.hpp"

namespace peeper::bench {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

}  // namespace

void Second::merge(const Second& other) {
  offered += other.offered;
  held_back += other.held_back;
  served.merge(other.served);
  timeouts.merge(other.timeouts);
  busy += other.busy;
}

Offer::Offer(load::Crowd& crowd, double per_second)
    : crowd_(crowd),
      per_second_(per_second),
      begun_(now_ns()),
      served_(crowd.size()),
      answers_(crowd.size()) {}

Second Offer::one_second() {
  ++seconds_;
  const std::uint64_t end = begun_ + seconds_ * kSecond;
  for (std::uint64_t now = now_ns(); now < end; now = now_ns()) {
    offer_until(now);
    turn(std::chrono::milliseconds{1});
  }
  return std::exchange(second_, Second());
}

void Offer::drain(std::chrono::seconds at_most) {
  const std::uint64_t end = now_ns() + static_cast<std::uint64_t>(at_most.count()) * kSecond;
  while (crowd_.under_way() > 0 && now_ns() < end) turn(std::chrono::milliseconds{10});
}

void Offer::offer_until(std::uint64_t now) {
  const double seconds = static_cast<double>(now - begun_) / static_cast<double>(kSecond);
  const auto due = static_cast<std::uint64_t>(seconds * per_second_);
  for (; offered_ < due; ++offered_) {
    ++second_.offered;
    const std::size_t lane = std::exchange(next_lane_, (next_lane_ + 1) % crowd_.size());
    if (crowd_.is_full(lane)) {
      ++second_.held_back;
      continue;
    }
    ++sent_;
    const Result<void> result = crowd_.send(lane, 1, now);
    test::require(result.has_value(), result ? "" : result.error().what);
  }
}

void Offer::turn(std::chrono::milliseconds at_most) {
  const Result<void> result = crowd_.turn(at_most, *this);
  test::require(result.has_value(), result ? "" : result.error().what);
}

void Offer::answered(std::size_t lane, std::uint64_t sent, std::uint64_t now,
                     std::string_view error) {
  ++answers_[lane];
  if (error.empty()) {
    ++served_[lane];
    second_.served.add(now - sent);
  } else if (error.starts_with("TIMEOUT ")) {
    second_.timeouts.add(now - sent);
  } else if (error.starts_with("BUSY ")) {
    ++second_.busy;
  } else if (other_errors_++ == 0) {
    first_other_error_ = error;
  }
}

}  // namespace peeper::bench
