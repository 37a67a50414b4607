// The listener `statsd`: numbers of the state as gauges, by UDP. It never waits: what can't be sent
// is lost, as UDP has it. That is logged once, until something was sent again.
//
// A name is looked up beside it, at the start, and after a failure again: so a resolver may fail or
// take its time, and a host may move.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "common/result.hpp"
#include "keeper/event.hpp"
#include "keeper/host_lookup.hpp"
#include "keeper/udp_sender.hpp"

namespace peeper::keeper {

struct Resolving {
  HostLookup::Resolve resolve = [](const Place& place) {
    return addresses_of(place, HostIs::kName);
  };
  std::chrono::milliseconds pause{30'000};  // between the beginnings of two lookups, at least
  std::chrono::milliseconds patience{100};  // of the first event that comes while one is under way
};

class StatsdListener final : public EventListener {
 public:
  // `place`: HOST:PORT. Failure: it is no such thing.
  static Result<std::unique_ptr<StatsdListener>> open(std::string_view place,
                                                      Resolving resolving = {});
  void hear(const StateEvent& event) override;

 private:
  using Clock = std::chrono::steady_clock;

  StatsdListener(std::string place, const Resolving& resolving)
      : place_(std::move(place)), pause_(resolving.pause), patience_(resolving.patience) {}

  // A name's.
  void look_up();
  void begin_lookup();
  void complain(std::string_view why);

  const std::string place_;
  const std::chrono::milliseconds pause_;
  const std::chrono::milliseconds patience_;
  std::optional<HostLookup> lookup_;  // none: the host is a number
  Clock::time_point again_at_{};
  bool wants_lookup_ = false;
  bool may_wait_ = false;
  UdpSender sender_;
  bool has_complained_ = false;
};

}  // namespace peeper::keeper
