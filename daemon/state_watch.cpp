#include "daemon/state_watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/reply_text.hpp"

namespace peeper::daemon {
namespace {

using namespace std::chrono_literals;
using launch::Seen;

// Between two questions: at least this, and so many times what the last one took, so that an
// observer has at most a tenth of a processor.
constexpr std::chrono::nanoseconds kLeastPause = 2ms;
constexpr int kPauses = 9;
// The same where the worker had to show its State, of which its clients hear nothing meanwhile.
constexpr std::chrono::nanoseconds kLeastWorkersPause = 200ms;
constexpr int kWorkersPauses = 99;
// Before the next observer, where the segment was given another size.
constexpr std::chrono::milliseconds kMovedPause{100};
// After an observer has failed, each time twice as long.
constexpr std::chrono::seconds kFirstRetry{1};
constexpr std::chrono::seconds kLongestRetry{60};
// Ends of workers that nobody was told of yet; beyond, the oldest are forgotten.
constexpr std::size_t kMostEndings = 64;

StateText null_state() {
  static const StateText null = [] {
    std::string value;
    resp::append_null(value);
    return std::make_shared<const std::string>(std::move(value));
  }();
  return null;
}

}  // namespace

StateWatch::StateWatch(boost::asio::io_context& loop, StateSource& source, StateListener* listener)
    : source_(source), listener_(listener), observer_(loop), timer_(loop) {}

void StateWatch::set_followed(bool followed) {
  if (followed == followed_) return;
  followed_ = followed;
  followers_.changes.begin();
  followers_.endings.clear();
  if (is_wanted()) return look();
  // Who comes later isn't shown what was seen now.
  observer_.stop();
  sight_.reset();
  seen_ = {};
  sees_nothing_ = false;
}

void StateWatch::terminated(std::string reason) {
  const auto add = [&](Audience& audience) {
    if (audience.endings.size() == kMostEndings) audience.endings.pop_front();
    audience.endings.push_back({reason, asked_});
  };
  if (followed_) add(followers_);
  if (listener_ != nullptr && listener_->is_there()) add(listeners_);
  sees_nothing_ = false;
  // What it leaves is to be seen before another goes on.
  if (failures_ == 0) hurry();
  look();
}

void StateWatch::hurry() {
  not_before_ = {};
  if (!std::exchange(is_waiting_, false)) return;
  timer_.cancel();
}

void StateWatch::renew() {
  observer_.stop();
  asks_worker_ = false;
  ++*run_;
  sight_.reset();
  seen_ = {};
  sees_nothing_ = false;
  failures_ = 0;
  not_before_ = {};
  is_waiting_ = false;
  timer_.cancel();
  look();
}

void StateWatch::end() {
  ended_ = true;
  ++*run_;
  timer_.cancel();
  observer_.stop();
}

bool StateWatch::is_wanted() const {
  return !ended_ && (followed_ || (listener_ != nullptr && listener_->is_there()));
}

bool StateWatch::owes_listeners() const {
  return !ended_ && listener_ != nullptr && listener_->is_attached() && !listeners_.endings.empty();
}

// For a sight that isn't there yet?
bool StateWatch::waits(const Audience& audience) const {
  return !audience.changes.has_begun() ||
         (!audience.endings.empty() && audience.endings.front().asked >= sight_number_);
}

bool StateWatch::is_to_be_asked() const {
  if (!sees_nothing_ &&
      ((followed_ && waits(followers_)) || (is_listener_ready() && waits(listeners_))))
    return true;
  const StateSource::Moment now = source_.state_moment();
  return now.writes != seen_.writes || now.segment != seen_.segment;
}

void StateWatch::look() {
  if (!is_wanted()) return;
  tell();
  if (is_waiting_ || asks_worker_ || observer_.is_asked()) return;
  if (source_.state_moment().segment == 0 || (!followed_ && !is_listener_ready())) return;
  if (!is_to_be_asked()) {
    source_.arm_state_bell();
    if (!is_to_be_asked()) return;
  }
  if (std::chrono::steady_clock::now() < not_before_) return wait_until(not_before_);
  ask();
}

void StateWatch::wait_until(Instant when) {
  is_waiting_ = true;
  timer_.expires_at(when);
  timer_.async_wait([this, run = run_, mine = *run_](boost::system::error_code error) {
    if (error || *run != mine) return;  // `this` may be gone
    is_waiting_ = false;
    look();
  });
}

void StateWatch::ask() {
  if (!observer_.runs()) {
    const auto started = observer_.start(source_.observer_spec());
    if (!started) return lose(started.error().what);
  }
  seen_ = source_.state_moment();
  sees_nothing_ = false;
  ++asked_;
  asked_at_ = std::chrono::steady_clock::now();
  observer_.ask([this](const Result<Observer::Answer>& answer) { on_answer(answer); });
}

void StateWatch::on_answer(const Result<Observer::Answer>& answer) {
  if (!answer) {
    if (answer.error().system_error != EAGAIN) return lose(answer.error().what);
    seen_ = {};
    not_before_ = asked_at_ + kMovedPause;
    return look();
  }
  failures_ = 0;
  const auto took = std::chrono::steady_clock::now() - asked_at_;
  not_before_ = asked_at_ + took + std::max(kLeastPause, kPauses * took);
  switch (answer->seen) {
    case Seen::kState:
    case Seen::kSame:
      show({answer->sequence, source_.state_moment().changes, answer->value});
      break;
    case Seen::kMoved: return ask_worker();
    case Seen::kNothing:
      sees_nothing_ = true;
      tell_endings(null_state());
      break;
  }
  look();
}

void StateWatch::ask_worker() {
  asks_worker_ = true;
  asked_at_ = std::chrono::steady_clock::now();
  source_.ask_for_state([this, run = run_, mine = *run_](std::string_view value) {
    if (*run != mine) return;  // `this` may be gone
    asks_worker_ = false;
    const auto took = std::chrono::steady_clock::now() - asked_at_;
    not_before_ = asked_at_ + took + std::max(kLeastWorkersPause, kWorkersPauses * took);
    // It is down by now, or in a long callback.
    if (is_error_text(value)) return lose("its worker says: " + std::string(value));
    const StateSource::Moment now = source_.state_moment();
    show({now.sequence, now.changes, std::make_shared<const std::string>(value)});
    look();
  });
}

void StateWatch::show(StateSight sight) {
  sight_ = std::move(sight);
  sight_number_ = asked_;
  tell();
}

// What there is to tell, with the last sight: first what changed, then who ended with it. Listeners
// get the next one when they are ready for it.
void StateWatch::tell() {
  if (!sight_) return;
  if (followed_)
    while (const auto event = next_event(followers_)) source_.publish_state_event(*event);
  if (is_listener_ready())
    if (const auto event = next_event(listeners_)) listener_->tell(*event);
}

std::optional<StateEvent> StateWatch::next_event(Audience& audience) const {
  if (auto event = audience.changes.see(*sight_)) return event;
  if (audience.endings.empty() || waits(audience)) return std::nullopt;
  return take_ending(audience, sight_->sequence, sight_->value);
}

StateEvent StateWatch::take_ending(Audience& audience, std::uint64_t sequence,
                                   const StateText& state) {
  StateEvent event;
  event.kind = StateEvent::Kind::kTerminated;
  event.sequence = sequence;
  event.state = state;
  event.reason = std::move(audience.endings.front().reason);
  audience.endings.pop_front();
  return event;
}

// Where the State isn't to be had, in whose stead `state` is told. Who waits for changes waits.
void StateWatch::tell_endings(const StateText& state) {
  const std::uint64_t sequence = source_.state_moment().sequence;
  while (followed_ && !followers_.endings.empty())
    source_.publish_state_event(take_ending(followers_, sequence, state));
  if (is_listener_ready() && !listeners_.endings.empty())
    listener_->tell(take_ending(listeners_, sequence, state));
}

void StateWatch::lose(const std::string& why) {
  spdlog::warn("server {}: its state can't be observed: {}; it is tried again", source_.name(),
               why);
  const auto pause = std::min(kFirstRetry * (1 << std::min(failures_, 6)), kLongestRetry);
  ++failures_;
  not_before_ = std::chrono::steady_clock::now() + pause;
  seen_ = {};
  tell_endings(
      std::make_shared<const std::string>(error_value("ERR " + source_.name() + ": " + why)));
  look();
}

}  // namespace peeper::daemon
