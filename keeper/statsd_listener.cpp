#include "keeper/statsd_listener.hpp"

#include <spdlog/spdlog.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "keeper/statsd_text.hpp"

namespace peeper::keeper {
namespace {

bool is_port(std::string_view text) {
  std::uint16_t number = 0;
  const char* last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number);
  return error == std::errc{} && end == last && number > 0;
}

}  // namespace

Result<std::unique_ptr<StatsdListener>> StatsdListener::open(std::string_view place,
                                                             Resolving resolving) {
  const std::size_t colon = place.rfind(':');
  if (colon == place.npos || colon == 0 || !is_port(place.substr(colon + 1)))
    return Failure{"statsd needs HOST:PORT, not '" + std::string(place) + "'", 0};
  Place parts{std::string(place.substr(0, colon)), std::string(place.substr(colon + 1))};
  if (parts.host.starts_with('[') && parts.host.ends_with(']'))
    parts.host = parts.host.substr(1, parts.host.size() - 2);
  std::unique_ptr<StatsdListener> made{new StatsdListener(std::string(place), resolving)};
  if (auto number = addresses_of(parts, HostIs::kNumber)) {
    made->sender_.set(*std::move(number));
  } else {
    made->lookup_.emplace(std::move(parts), std::move(resolving.resolve));
    made->begin_lookup();
  }
  return made;
}

void StatsdListener::hear(const StateEvent& event) {
  if (lookup_) look_up();
  if (!sender_.has_addresses()) return;
  const int error = sender_.send(statsd_datagrams(event));
  if (error == 0) {
    has_complained_ = false;
    return;
  }
  complain(std::strerror(error));
  wants_lookup_ = true;
}

void StatsdListener::look_up() {
  if (wants_lookup_ && Clock::now() >= again_at_) begin_lookup();
  const bool waits = std::exchange(may_wait_, false) && !sender_.has_addresses();
  auto found = lookup_->take(waits ? patience_ : std::chrono::milliseconds{0});
  if (!found) return;
  if (*found) return sender_.set(*std::move(*found));
  wants_lookup_ = true;
  complain(found->error().what);
}

void StatsdListener::begin_lookup() {
  again_at_ = Clock::now() + pause_;
  wants_lookup_ = false;
  may_wait_ = true;
  lookup_->begin();
}

void StatsdListener::complain(std::string_view why) {
  if (!std::exchange(has_complained_, true))
    spdlog::warn("statsd can't be reached at {}: {}; what is lost until it can is not logged",
                 place_, why);
}

}  // namespace peeper::keeper
