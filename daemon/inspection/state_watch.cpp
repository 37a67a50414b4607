#include "daemon/inspection/state_watch.hpp"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "daemon/values/reply_text.hpp"

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
// Before the next observer, where the segment was given another size, or the last one crashed while
// commits were made, perhaps of what it saw half of; that so often in a row.
constexpr std::chrono::milliseconds kMovedPause{100};
constexpr int kMostTorn = 3;
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
  followers_.asked = asked_;
  followers_.endings.clear();
  if (is_wanted()) return look();
  // Who comes later isn't shown what was seen now.
  observer_.stop();
  forget();
}

void StateWatch::terminated(std::string reason) {
  const auto add = [&](Audience& audience) {
    if (audience.endings.size() == kMostEndings) audience.endings.pop_front();
    audience.endings.push_back({reason, asked_});
  };
  if (followed_) add(followers_);
  if (listener_ != nullptr && listener_->is_there()) add(listeners_);
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
  forget();
  not_before_ = {};
  look();
}

// All that was seen, and what is under way.
void StateWatch::forget() {
  ++*run_;
  asks_worker_ = false;
  is_waiting_ = false;
  timer_.cancel();
  sight_.reset();
  instead_.reset();
  sighted_ = answered_ = 0;
  seen_ = {};
  failures_ = torn_ = 0;
}

void StateWatch::end() {
  while (followed_ && !ended_ && !followers_.endings.empty())
    source_.publish_state_event(take_ending(followers_));
  close();
}

void StateWatch::close() {
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

// Is there somebody who can be told something only after another question?
bool StateWatch::lacks(const Audience& audience) const {
  const bool is_to_begin = !audience.changes.has_begun() && instead_ == nullptr;
  return is_to_begin || (!audience.endings.empty() && waits_to_tell_end(audience));
}

// While the State isn't to be seen, an end doesn't wait for it.
bool StateWatch::waits_to_tell_end(const Audience& audience) const {
  return failures_ == 0 && audience.endings.front().asked >= answered_;
}

bool StateWatch::is_to_be_asked() const {
  if ((followed_ && lacks(followers_)) || (is_listener_ready() && lacks(listeners_))) return true;
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
  ++asked_;
  seen_ = source_.state_moment();
  asked_at_ = std::chrono::steady_clock::now();
  if (!observer_.runs()) {
    const auto started = observer_.start(source_.observer_spec());
    if (!started) return lose(started.error().what);
  }
  observer_.ask([this](const Result<Observer::Answer>& answer) { on_answer(answer); });
}

// The next question comes after at least `least`, and so many times what this one has taken by now.
void StateWatch::pause(std::chrono::nanoseconds least, int times) {
  const Instant now = std::chrono::steady_clock::now();
  not_before_ = std::max(not_before_, now + std::max(least, times * (now - asked_at_)));
}

void StateWatch::on_answer(const Result<Observer::Answer>& answer) {
  if (!answer) return on_failure(answer.error());
  if (answer->seen == Seen::kMoved) {
    pause(kLeastPause, kPauses);
    return ask_worker();
  }
  failures_ = torn_ = 0;
  if (answer->seen == Seen::kNothing)
    show_instead(null_state());
  else
    show({answer->sequence, changes_at(*answer), answer->value});
  // To tell of it is a part of what it costs.
  pause(kLeastPause, kPauses);
  look();
}

void StateWatch::on_failure(const Failure& failure) {
  const bool is_torn = failure.system_error == EFAULT && torn_ < kMostTorn &&
                       source_.state_moment().sequence != seen_.sequence;
  if (failure.system_error != EAGAIN && !is_torn) return lose(failure.what);
  if (is_torn) ++torn_;
  seen_ = {};
  pause(kMovedPause, 1);
  look();
}

// As the observer has read it, within what is known here. Where one worker has followed another
// since it was asked, that would be another's count.
std::uint64_t StateWatch::changes_at(const Observer::Answer& answer) const {
  const StateSource::Moment now = source_.state_moment();
  if (now.changes_before != seen_.changes_before) return seen_.changes;
  return std::max(seen_.changes, std::min(now.changes_before + answer.changes, now.changes));
}

void StateWatch::ask_worker() {
  asks_worker_ = true;
  asked_at_ = std::chrono::steady_clock::now();
  source_.ask_for_state([this, run = run_, mine = *run_](std::string_view value) {
    if (*run != mine) return;  // `this` may be gone
    asks_worker_ = false;
    pause(kLeastWorkersPause, kWorkersPauses);
    // It is down by now, or in a long callback.
    if (is_error_text(value)) return lose("its worker says: " + std::string(value));
    failures_ = 0;
    const StateSource::Moment now = source_.state_moment();
    show({now.sequence, now.changes, std::make_shared<const std::string>(value)});
    look();
  });
}

void StateWatch::show(StateSight sight) {
  instead_.reset();
  sight_ = std::move(sight);
  sighted_ = answered_ = asked_;
  tell();
}

void StateWatch::show_instead(StateText state) {
  instead_ = std::move(state);
  answered_ = asked_;
  tell();
}

// First what changed, then who ended with it. Listeners get the next one when they are ready.
void StateWatch::tell() {
  if (followed_)
    while (const auto event = next_event(followers_)) source_.publish_state_event(*event);
  if (is_listener_ready())
    if (const auto event = next_event(listeners_)) listener_->tell(*event);
}

std::optional<StateEvent> StateWatch::next_event(Audience& audience) const {
  if (sight_ && sighted_ > audience.asked)
    if (auto event = audience.changes.see(*sight_)) return event;
  if (audience.endings.empty() || waits_to_tell_end(audience)) return std::nullopt;
  return take_ending(audience);
}

StateEvent StateWatch::take_ending(Audience& audience) const {
  StateEvent event;
  event.kind = StateEvent::Kind::kTerminated;
  const bool is_seen = instead_ == nullptr && sight_;
  event.sequence = is_seen ? sight_->sequence : source_.state_moment().sequence;
  event.state = is_seen ? sight_->value : instead_ ? instead_ : null_state();
  event.reason = std::move(audience.endings.front().reason);
  audience.endings.pop_front();
  return event;
}

void StateWatch::lose(const std::string& why) {
  spdlog::warn("server {}: its state can't be observed: {}; it is tried again", source_.name(),
               why);
  const auto retry = std::min(kFirstRetry * (1 << std::min(failures_, 6)), kLongestRetry);
  ++failures_;
  not_before_ = std::max(not_before_, std::chrono::steady_clock::now() + retry);
  seen_ = {};
  show_instead(
      std::make_shared<const std::string>(error_value("ERR " + source_.name() + ": " + why)));
  look();
}

}  // namespace peeper::daemon
