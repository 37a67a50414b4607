#include "common/load/load.hpp"

#include <algorithm>

#include "common/client/failures.hpp"
#include "common/clock.hpp"

namespace peeper::load {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLook{100};  // how often patience is checked and progress is told

class Carrier final : public Crowd::Events {
 public:
  Carrier(Crowd& crowd, const Load& load) : crowd_(crowd), load_(load), begun_(now_ns()) {
    tally_.of_lane.resize(crowd.size());
  }

  Result<void> begin() {
    for (std::size_t lane = 0; lane < crowd_.size(); ++lane) {
      Result<void> sent = fill(lane, begun_);
      if (!sent) return sent;
    }
    return {};
  }
  void answered(std::size_t lane, std::uint64_t sent, std::uint64_t now,
                std::string_view error) override {
    tally_.latencies.add(now - sent);
    ++tally_.of_lane[lane];
    last_ = now;
    if (error.empty()) return;
    if (tally_.errors++ == 0) tally_.first_error = error;
  }
  Result<void> served(std::size_t lane, std::uint64_t now) override { return fill(lane, now); }

  [[nodiscard]] bool has_ended() const { return crowd_.under_way() == 0; }
  [[nodiscard]] std::uint64_t answers() const { return tally_.answers(); }
  Tally ended(Result<void> result) {
    if (!result) tally_.failure = std::move(result).error();
    tally_.time = std::chrono::nanoseconds(last_ > begun_ ? last_ - begun_ : 0);
    return std::move(tally_);
  }

 private:
  Result<void> fill(std::size_t lane, std::uint64_t now) {
    if (now - begun_ >= static_cast<std::uint64_t>(load_.time.count())) return {};
    const std::uint64_t room = load_.pipeline - std::min<std::uint64_t>(crowd_.under_way(lane),
                                                                        load_.pipeline);
    const std::uint64_t count = std::min(room, load_.requests - sent_);
    sent_ += count;
    return crowd_.send(lane, count, now_ns());
  }

  Crowd& crowd_;
  const Load& load_;
  std::uint64_t begun_;
  std::uint64_t last_ = 0;
  std::uint64_t sent_ = 0;
  Tally tally_;
};

}  // namespace

Tally carry(Crowd& crowd, const Load& load, const Progress& progress) {
  Carrier carrier(crowd, load);
  Result<void> result = carrier.begin();
  const auto patience = static_cast<std::uint64_t>(std::chrono::nanoseconds(load.patience).count());
  std::uint64_t next_look = 0;
  while (result && !carrier.has_ended()) {
    result = crowd.turn(kLook, carrier);
    const std::uint64_t now = now_ns();
    if (!result || now < next_look) continue;
    next_look = now + static_cast<std::uint64_t>(std::chrono::nanoseconds(kLook).count());
    if (now - crowd.oldest(now) > patience)
      result = client_detail::no_answer(load.patience, client_detail::Carried::kMaybe);
    if (progress) progress(carrier.answers());
  }
  return carrier.ended(std::move(result));
}

}  // namespace peeper::load
