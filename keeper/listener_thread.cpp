#include "keeper/listener_thread.hpp"

#include <poll.h>
#include <spdlog/spdlog.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <thread>
#include <utility>

#include "keeper/make_listener.hpp"

namespace peeper::keeper {
namespace {

// To say what is the matter when a listener hangs that may hold a lock of the allocator's. Beyond:
// SIGALRM ends the process.
constexpr unsigned kLastWordsSeconds = 2;

// For a program to be started, and killed at its limit: what takes longer than that hangs.
constexpr std::chrono::seconds kKillingTime{10};

// A write to where nobody reads fails then, and ends nothing. Neither blocked nor ignored, as what
// listeners start would be so, too.
void outlive_broken_pipes() {
  struct sigaction nothing {};
  nothing.sa_handler = [](int) {};
  nothing.sa_flags = SA_RESTART;
  ::sigaction(SIGPIPE, &nothing, nullptr);
}

}  // namespace

ListenerThread::ListenerThread(Setup setup)
    : server_(setup.server),
      limit_(setup.limit),
      mark_(std::move(setup.mark)),
      alarm_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      ended_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      on_failed_(std::move(setup.on_failed)),
      kept_(setup.kept.begin(), setup.kept.end()),
      stream_(std::move(setup.stream), setup.server) {
  for (std::string& spec : setup.listeners) members_.push_back({std::move(spec), nullptr});
  for (const int own : {alarm_.get(), ended_.get()}) kept_.emplace_back(own);
}

// No signal is blocked in it: its children would begin with that. The kernel gives those that are
// for the process to the main thread, as long as that blocks none.
void ListenerThread::start() {
  outlive_broken_pipes();
  try {
    std::thread{[this] { run(); }}.detach();
  } catch (const std::exception& e) {
    spdlog::error("its listeners are told nothing: no thread for them: {}", e.what());
    for (std::size_t i = 0; i < members_.size(); ++i)
      on_failed_(i + 1, std::string("no thread for it: ") + e.what());
    has_ended();
  }
}

void ListenerThread::run() {
  ::prctl(PR_SET_NAME, ("l:" + server_).c_str());
  make_all();
  while (tell_next()) stream_.acknowledge();
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (members_[i].listener)
      watched(i + 1, "its destructor", [&] { members_[i].listener.reset(); });
  has_ended();
}

void ListenerThread::has_ended() const {
  const std::uint64_t done = 1;
  [[maybe_unused]] const ssize_t written = ::write(ended_.get(), &done, sizeof done);
}

bool ListenerThread::tell_next() {
  try {
    const auto event = stream_.next();
    if (event && !*event) return false;
    if (event) {
      tell_all(**event);
    } else if (event.error().system_error == ENOMEM) {
      spdlog::error("its listeners are not told of everything: {}", event.error().what);
    } else {
      spdlog::error("its listeners can't be told any more: {}; this keeper ends, and another one "
                    "follows",
                    event.error().what);
      std::abort();
    }
  } catch (const std::exception& e) {
    // Of an event that was read: there is no memory to make of it what listeners are told.
    spdlog::error("its listeners are not told of everything: {}", e.what());
  }
  return true;
}

void ListenerThread::make_all() {
  for (std::size_t i = 0; i < members_.size(); ++i)
    watched(i + 1, "its loading", [&] {
      auto made = make_listener(members_[i].spec, limit_);
      if (made) {
        members_[i].listener = *std::move(made);
        return;
      }
      spdlog::error("listener {}: {}; the others are told all the same", members_[i].spec,
                    made.error().what);
      on_failed_(i + 1, made.error().what);
    });
}

void ListenerThread::tell_all(const StateEvent& event) {
  const char* doing =
      event.kind == StateEvent::Kind::kChanged ? "on_state_changed" : "on_terminate";
  // That is our own work, and not of the time of whoever comes first.
  const auto wants_text = [](const Member& member) {
    return member.listener && member.listener->wants_text();
  };
  if (std::ranges::any_of(members_, wants_text)) {
    (void)event.old_text();
    (void)event.state_text();
  }
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (members_[i].listener) watched(i + 1, doing, [&] { members_[i].listener->hear(event); });
}

template <class Call>
void ListenerThread::watched(std::size_t number, const char* doing, Call call) {
  const auto limit = limit_of(number);
  doing_ = doing;
  limit_ms_ = limit.count();
  begin_ns_ = Clock::now().time_since_epoch() / std::chrono::nanoseconds{1};
  number_ = number;
  ++turn_;
  set_mark(number);
  if (limit.count() > 0) set_alarm(RunningTime::period(limit));
  try {
    call();
  } catch (const std::exception& e) {
    spdlog::error("listener {}: {}: {}", members_[number - 1].spec, doing, e.what());
  }
  ++turn_;
  check_kept(number, doing);
  set_alarm({});
  set_mark(0);
}

// While the mark still says whose doing it was.
void ListenerThread::check_kept(std::size_t number, const char* doing) const {
  if (std::ranges::all_of(kept_, &HeldFile::is_held)) return;
  spdlog::error("listener {}: {} has closed files that are not its own (closefrom, close_range, a "
                "daemon()?); this keeper ends with it, and another one follows",
                members_[number - 1].spec, doing);
  std::abort();
}

// 0: none. A program is given its time and killed by its listener; this is for when that hangs.
std::chrono::milliseconds ListenerThread::limit_of(std::size_t number) const {
  const auto& listener = members_[number - 1].listener;
  if (!limit_) return {};
  return listener && listener->keeps_time() ? *limit_ + kKillingTime : *limit_;
}

void ListenerThread::set_mark(std::uint64_t number) const {
  std::uint64_t former = 0;
  [[maybe_unused]] ssize_t bytes = ::read(mark_.get(), &former, sizeof former);
  if (number != 0) bytes = ::write(mark_.get(), &number, sizeof number);
}

// Each `period` from now on; 0: no more.
void ListenerThread::set_alarm(std::chrono::nanoseconds period) const {
  itimerspec when{};
  when.it_value.tv_sec = period.count() / 1'000'000'000;
  when.it_value.tv_nsec = period.count() % 1'000'000'000;
  when.it_interval = when.it_value;
  ::timerfd_settime(alarm_.get(), 0, &when, nullptr);
}

void ListenerThread::look() {
  std::uint64_t expired = 0;
  [[maybe_unused]] const ssize_t got = ::read(alarm_.get(), &expired, sizeof expired);
  const std::uint64_t turn = turn_;
  const std::uint64_t number = number_;
  const std::chrono::milliseconds limit{limit_ms_};
  const Clock::time_point begin{std::chrono::nanoseconds{begin_ns_}};
  const char* doing = doing_;
  if (turn % 2 == 0 || limit.count() == 0 || turn_ != turn) return;
  if (std::exchange(seen_turn_, turn) != turn) seen_for_.emplace(limit, begin);
  if (!seen_for_->is_over(Clock::now()) || turn_ != turn) return;
  ::alarm(kLastWordsSeconds);
  spdlog::error("listener {}: {} takes more than {} ms; this keeper ends with it, and another "
                "one follows. See listener_timeout",
                members_[number - 1].spec, doing, limit.count());
  // With a core dump, if those are on: it shows where it hangs.
  std::abort();
}

void ListenerThread::finish(std::chrono::milliseconds patience) {
  stream_.close_behind();
  const auto deadline = Clock::now() + patience;
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0) return;
    pollfd wanted[] = {{ended_.get(), POLLIN, 0}, {alarm_.get(), POLLIN, 0}};
    ::poll(wanted, 2, static_cast<int>(left.count()));
    if (wanted[0].revents != 0) return;
    if (wanted[1].revents != 0) look();
  }
}

}  // namespace peeper::keeper
