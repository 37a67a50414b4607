#include "keeper/make_listener.hpp"

#include <algorithm>
#include <string_view>

#include "keeper/log_listener.hpp"
#include "keeper/object_listener.hpp"
#include "keeper/statsd_listener.hpp"

namespace peeper::keeper {
namespace {

constexpr std::string_view kExec = "exec:";
constexpr std::string_view kStatsd = "statsd:";

template <class Listener>
Result<std::unique_ptr<EventListener>> as_listener(Result<std::unique_ptr<Listener>> made) {
  if (!made) return made.error();
  return std::unique_ptr<EventListener>{*std::move(made)};
}

// Its wait for a name takes no more than a part of its time.
Resolving resolving(const ExecListener::Limit& limit) {
  Resolving how;
  if (limit) how.patience = std::min(how.patience, *limit / 4);
  return how;
}

}  // namespace

Result<std::unique_ptr<EventListener>> make_listener(const std::string& spec,
                                                     ExecListener::Limit limit) {
  if (spec == "log") return std::unique_ptr<EventListener>{std::make_unique<LogListener>()};
  if (spec.starts_with(kStatsd))
    return as_listener(
        StatsdListener::open(std::string_view(spec).substr(kStatsd.size()), resolving(limit)));
  if (spec.starts_with(kExec))
    return std::unique_ptr<EventListener>{
        std::make_unique<ExecListener>(spec.substr(kExec.size()), limit)};
  return as_listener(ObjectListener::load(spec));
}

}  // namespace peeper::keeper
