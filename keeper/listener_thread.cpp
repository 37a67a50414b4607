#include "keeper/listener_thread.hpp"

#include <poll.h>
#include <pthread.h>
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

#include "keeper/make_listener.hpp"

namespace peeper::keeper {
namespace {

// To say what is the matter when a listener hangs that may hold a lock of the allocator's. Beyond:
// SIGALRM ends the process.
constexpr unsigned kLastWordsSeconds = 2;

// For a program to be started, and killed at its limit: what takes longer than that hangs.
constexpr std::chrono::seconds kKillingTime{10};

void block_signals(sigset_t& before) {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
}

}  // namespace

ListenerThread::ListenerThread(Setup setup)
    : server_(setup.server),
      limit_(setup.limit),
      mark_(std::move(setup.mark)),
      alarm_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      ended_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      on_failed_(std::move(setup.on_failed)),
      stream_(std::move(setup.stream), setup.server) {
  for (std::string& spec : setup.listeners) members_.push_back({std::move(spec), nullptr});
}

// Signals are for the main thread, which knows what to do about the daemon's end.
void ListenerThread::start() {
  sigset_t before;
  block_signals(before);
  try {
    std::thread{[this] { run(); }}.detach();
  } catch (const std::exception& e) {
    spdlog::error("its listeners are told nothing: no thread for them: {}", e.what());
  }
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

void ListenerThread::run() {
  ::prctl(PR_SET_NAME, ("l:" + server_).c_str());
  make_all();
  while (true) {
    try {
      const auto event = stream_.next();
      if (!event && event.error().system_error == ENOMEM) {
        spdlog::error("its listeners are not told of everything: {}", event.error().what);
        stream_.acknowledge();
        continue;
      }
      if (!event) {
        spdlog::error("its listeners are told nothing any more: {}", event.error().what);
        break;
      }
      if (!*event) break;
      tell_all(**event);
    } catch (const std::exception& e) {
      // Perhaps in the middle of an event, so that what follows it can't be read.
      spdlog::error("its listeners are told nothing any more: {}", e.what());
      break;
    }
    stream_.acknowledge();
  }
  for (std::size_t i = 0; i < members_.size(); ++i)
    if (members_[i].listener)
      watched(i + 1, "its destructor", [&] { members_[i].listener.reset(); });
  const std::uint64_t done = 1;
  [[maybe_unused]] const ssize_t written = ::write(ended_.get(), &done, sizeof done);
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
  until_ns_ = (Clock::now() + limit).time_since_epoch() / std::chrono::nanoseconds{1};
  running_ = number;
  set_mark(number);
  if (limit.count() > 0) set_alarm(limit);
  try {
    call();
  } catch (const std::exception& e) {
    spdlog::error("listener {}: {}: {}", members_[number - 1].spec, doing, e.what());
  }
  set_alarm({});
  set_mark(0);
  running_ = 0;
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

void ListenerThread::set_alarm(std::chrono::nanoseconds after) const {
  itimerspec when{};
  when.it_value.tv_sec = after.count() / 1'000'000'000;
  when.it_value.tv_nsec = after.count() % 1'000'000'000;
  ::timerfd_settime(alarm_.get(), 0, &when, nullptr);
}

void ListenerThread::look() {
  std::uint64_t expired = 0;
  [[maybe_unused]] const ssize_t got = ::read(alarm_.get(), &expired, sizeof expired);
  const std::uint64_t number = running_;
  if (number == 0 || limit_ms_ == 0 ||
      Clock::now().time_since_epoch() / std::chrono::nanoseconds{1} < until_ns_)
    return;
  ::alarm(kLastWordsSeconds);
  spdlog::error("listener {}: {} takes more than {} ms; this keeper ends with it, and another "
                "one follows. See listener_timeout",
                members_[number - 1].spec, doing_.load(), limit_ms_.load());
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
