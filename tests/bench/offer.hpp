// An open load: so many calls a second are offered to the connections by turns, whatever becomes of
// those before. A connection that has no room for another one gets none: that call is counted as
// held back. So what waits in this process is bounded by what sockets hold.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "common/load/crowd.hpp"
#include "common/load/latencies.hpp"

namespace peeper::bench {

// What happened in a second, or in several.
struct Second {
  std::uint64_t offered = 0;
  std::uint64_t held_back = 0;  // of these
  load::Latencies served;
  load::Latencies timeouts;
  std::uint64_t busy = 0;

  void merge(const Second& other);
};

class Offer final : private load::Crowd::Events {
 public:
  Offer(load::Crowd& crowd, double per_second);

  // Offers for a second, and tells what happened in it.
  Second one_second();
  // Offers nothing more, and waits for what is missing.
  void drain(std::chrono::seconds at_most);

  [[nodiscard]] std::uint64_t sent() const { return sent_; }
  [[nodiscard]] std::uint64_t missing() const { return crowd_.under_way(); }
  [[nodiscard]] const std::vector<std::uint64_t>& served_of_lane() const { return served_; }
  [[nodiscard]] const std::vector<std::uint64_t>& answers_of_lane() const { return answers_; }
  // But for TIMEOUT and BUSY.
  [[nodiscard]] std::uint64_t other_errors() const { return other_errors_; }
  [[nodiscard]] const std::string& first_other_error() const { return first_other_error_; }

 private:
  void answered(std::size_t lane, std::uint64_t sent, std::uint64_t now,
                std::string_view error) override;
  Result<void> served(std::size_t, std::uint64_t) override { return {}; }
  void offer_until(std::uint64_t now);
  void turn(std::chrono::milliseconds at_most);

  load::Crowd& crowd_;
  double per_second_;
  std::uint64_t begun_;
  std::uint64_t seconds_ = 0;
  std::uint64_t offered_ = 0;
  std::uint64_t sent_ = 0;
  std::size_t next_lane_ = 0;
  Second second_;
  std::vector<std::uint64_t> served_;
  std::vector<std::uint64_t> answers_;
  std::uint64_t other_errors_ = 0;
  std::string first_other_error_;
};

}  // namespace peeper::bench
