#include "daemon/listeners/keeper_listeners.hpp"

#include <spdlog/spdlog.h>
#include <sys/wait.h>

#include <string_view>
#include <utility>

#include "common/segment/death.hpp"
#include "daemon/config/listeners.hpp"
#include "daemon/values/reply_text.hpp"

namespace peeper::daemon {
namespace {

std::string_view word_of(ListenerFates::State state) {
  switch (state) {
    case ListenerFates::State::kOn: return "on";
    case ListenerFates::State::kOff: return "off";
    case ListenerFates::State::kFailed: return "failed";
  }
  return "?";
}

std::string end_text(int wait_status) {
  if (!WIFSIGNALED(wait_status))
    return "with status " + std::to_string(WEXITSTATUS(wait_status));
  return "by " + segment::signal_name(WTERMSIG(wait_status));
}

}  // namespace

KeeperListeners::KeeperListeners(boost::asio::io_context& loop, Sockets& sockets,
                                 const config::ServerSection& section,
                                 const config::SearchPath& path)
    : server_(section.name),
      names_(section.listener),
      timeout_(section.listener_timeout),
      path_(path),
      fates_(section.listener, section.listener_timeout),
      link_(loop, section.name,
            [this] {
              if (on_ready_) on_ready_();
            }),
      log_(loop, sockets, section.name) {}

void KeeperListeners::tell(const StateEvent& event) {
  ListenerEvent told;
  switch (event.kind) {
    case StateEvent::Kind::kObserved: return;  // no change
    case StateEvent::Kind::kChanged: told.event = launch::Told::kChanged; break;
    case StateEvent::Kind::kTerminated: told.event = launch::Told::kTerminated; break;
  }
  told.sequence = event.sequence;
  told.changes = event.changes;
  told.reason = event.reason;
  told.old_state = event.old;
  told.state = event.state;
  if (!link_.tell(std::move(told)))
    spdlog::error("server {}: its listeners are not told of sequence {}: the state is too large",
                  server_, event.sequence);
}

Result<KeeperListeners::Ends> KeeperListeners::prepare(LaunchSpec& spec) {
  told_.clear();
  std::vector<std::string> arguments;
  for (const std::size_t index : fates_.begin_keeper()) {
    auto found = config::find_listener(names_[index], path_);
    if (!found) {  // it was there when the configuration was checked
      spdlog::error("server {}: {}; the others are told all the same", server_,
                    found.error().what);
      fates_.failed(index, found.error().what);
      continue;
    }
    arguments.push_back("--listener=" + *found);
    told_.push_back(index);
  }
  Ends ends;
  if (told_.empty()) return ends;
  auto stream = link_.open(spec);
  if (!stream) return stream.error();
  ends.stream = *std::move(stream);
  auto output = log_.open(spec);
  if (!output) return output.error();
  ends.output = *std::move(output);
  spec.arguments.insert(spec.arguments.end(), arguments.begin(), arguments.end());
  if (timeout_)
    spec.arguments.push_back("--listener-timeout-ms=" + std::to_string(timeout_->count()));
  return ends;
}

// The keeper has logged it.
void KeeperListeners::failed(std::uint64_t number, std::string why) {
  if (number >= 1 && number <= told_.size()) fates_.failed(told_[number - 1], std::move(why));
}

void KeeperListeners::forsaken() {
  link_.closed();
  log_.ended();
}

bool KeeperListeners::died(int wait_status, bool is_ours, Instant now) {
  link_.closed();
  log_.ended();
  const auto running = link_.running_listener();
  if (!running || *running > told_.size() || is_ours) return false;
  const std::size_t index = told_[*running - 1];
  const std::string& name = names_[index];
  const auto state = fates_.died_in(index, now);
  spdlog::error("server {}: its keeper ended {} while it ran listener '{}'; starting another, the "
                "worker goes on",
                server_, end_text(wait_status), name);
  if (state == ListenerFates::State::kOff)
    spdlog::error("server {}: listener '{}' has taken {} keepers with it and is off from now on; "
                  "the others are told. Mend it, then: peeper restart {}",
                  server_, name, fates_.all()[index].recent.size(), server_);
  return true;
}

std::string KeeperListeners::value() const {
  std::string value;
  resp::append_array(value, fates_.all().size());
  for (const ListenerFates::Fate& fate : fates_.all())
    value += MapValue{}
                 .text("name", fate.name)
                 .text("state", word_of(fate.state))
                 .number("crashes", static_cast<std::int64_t>(fate.crashes))
                 .text("error", fate.state == ListenerFates::State::kFailed ? fate.why : "")
                 .take();
  return value;
}

}  // namespace peeper::daemon
