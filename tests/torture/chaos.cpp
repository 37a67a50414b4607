#include "chaos.hpp"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include "family.hpp"
#include "servers.hpp"

namespace peeper::torture {

using namespace std::chrono_literals;

namespace {

constexpr std::size_t kRecent = 200;
constexpr std::chrono::milliseconds kLookAround{20};

const char* name_of(int signal) {
  switch (signal) {
    case SIGKILL: return "SIGKILL";
    case SIGSEGV: return "SIGSEGV";
    case SIGABRT: return "SIGABRT";
    default: return "SIGSTOP";
  }
}

const char* prefix_of(Target target) {
  switch (target) {
    case Target::kWorker: return "w:";
    case Target::kKeeper: return "k:";
    case Target::kStandby: return "s:";
    case Target::kAny: return "child ";
    case Target::kDaemon: return "peeperd";
  }
  return "?";
}

}  // namespace

// --- The plan ------------------------------------------------------------------------------------

// Mostly short. Some are longer than callback_timeout, for the watchdog must not be fooled.
std::chrono::milliseconds Plan::hold() {
  if (below(40) == 0) return 3'000ms + std::chrono::milliseconds{below(1'500)};
  return std::chrono::milliseconds{2 + below(150)};
}

// All numbers are drawn, whether they are needed or not.
Blow Plan::next() {
  const std::uint32_t who = below(100);
  const std::uint32_t how = below(100);
  // A third comes with the one before, as near as two system calls are.
  const std::uint32_t pause = below(3) == 0 ? 0 : below(100);
  return {.pause = std::chrono::milliseconds{pause},
          .target = who < 50   ? Target::kWorker
                    : who < 70 ? Target::kKeeper
                    : who < 80 ? Target::kStandby
                    : who < 97 ? Target::kAny
                               : Target::kDaemon,
          .signal = how < 50   ? SIGKILL
                    : how < 65 ? SIGSEGV
                    : how < 75 ? SIGABRT
                               : SIGSTOP,
          .index = below(1'000),
          .hold = hold()};
}

// --- Striking ------------------------------------------------------------------------------------

void Chaos::note(const std::string& line) {
  const auto ms =
      std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - began_).count();
  recent_.push_back(std::to_string(ms) + " ms, blow " + std::to_string(blows_) + ": " + line);
  if (recent_.size() > kRecent) recent_.pop_front();
}

std::string Chaos::recent() const {
  std::string text;
  for (const std::string& line : recent_) text += line + "\n";
  return text;
}

void Chaos::run(Clock::time_point daemon_end, Clock::time_point end) {
  while (Clock::now() < end && !shared_.verdict.has_failed()) {
    const Blow blow = plan_.next();
    ++blows_;
    sleep_until(Clock::now() + blow.pause);
    strike(blow, Clock::now() < daemon_end);
  }
}

void Chaos::sleep_until(Clock::time_point time) {
  do {
    release_due();
    reap_orphans();
    check_daemon();
    Clock::time_point next = std::min(time, Clock::now() + kLookAround);
    for (const Held& held : held_) next = std::min(next, held.until);
    std::this_thread::sleep_until(next);
  } while (Clock::now() < time && !shared_.verdict.has_failed());
}

void Chaos::release_due() {
  std::erase_if(held_, [](const Held& held) {
    if (Clock::now() < held.until) return false;
    held.process.kill(SIGCONT);
    return true;
  });
}

void Chaos::release() {
  for (const Held& held : held_) held.process.kill(SIGCONT);
  held_.clear();
  reap_orphans();
}

// A killed peeperd's children become ours.
void Chaos::reap_orphans() const {
  for (const Relative& child : children_of(::getpid()))
    if (child.state == 'Z' && child.pid != peeperd_.daemon().pid())
      ::waitpid(child.pid, nullptr, WNOHANG);
}

void Chaos::check_daemon() {
  if (const auto status = peeperd_.daemon().wait(0ms))
    shared_.verdict.fail("peeperd ended by itself, with status " + std::to_string(*status));
}

void Chaos::strike(const Blow& blow, bool may_strike_daemon) {
  if (shared_.verdict.has_failed()) return;
  if (blow.target != Target::kDaemon) return strike_child(blow);
  if (may_strike_daemon) strike_daemon(blow);
}

void Chaos::strike_daemon(const Blow& blow) {
  note(std::string("peeperd ") + name_of(blow.signal));
  if (blow.signal == SIGSTOP) {
    ++stops_;
    peeperd_.daemon().signal(SIGSTOP);
    held_.push_back({Clock::now() + blow.hold, test::Watch{peeperd_.daemon().pid()}});
    return;
  }
  ++daemon_deaths_;
  ++shared_.daemon_deaths;
  peeperd_.daemon().signal(blow.signal);
  peeperd_.daemon().signal(SIGCONT);  // it may be stopped
  (void)peeperd_.daemon().wait();
  peeperd_.kill_daemon();
  ++shared_.daemon_deaths;
  peeperd_.start();
  note("peeperd is back");
}

// Its pidfd, so that no other process is ever hit that gets its number later.
std::optional<test::Watch> Chaos::find(const Blow& blow, std::string& name) const {
  const int daemon = peeperd_.daemon().pid();
  std::vector<Relative> all = children_of(daemon);
  std::sort(all.begin(), all.end(), [](const Relative& a, const Relative& b) {
    return a.pid < b.pid;
  });
  if (blow.target != Target::kAny)
    std::erase_if(all, [&](const Relative& child) {
      return child.name != prefix_of(blow.target) + std::string(kServers[blow.index % 6]);
    });
  if (all.empty()) return std::nullopt;
  const Relative& chosen = all[blow.index / 6 % all.size()];
  name = chosen.name;
  try {
    test::Watch watch{chosen.pid};
    for (const Relative& child : children_of(daemon))
      if (child.pid == chosen.pid) return watch;
  } catch (const std::runtime_error&) {
  }
  return std::nullopt;
}

void Chaos::strike_child(const Blow& blow) {
  std::string name;
  auto victim = find(blow, name);
  if (!victim) return;
  note(name + " (" + std::to_string(victim->pid()) + ") " + name_of(blow.signal) +
       (blow.signal == SIGSTOP ? " for " + std::to_string(blow.hold.count()) + " ms" : ""));
  victim->kill(blow.signal);
  if (blow.signal == SIGSTOP) {
    ++stops_;
    held_.push_back({Clock::now() + blow.hold, *std::move(victim)});
  } else {
    ++(blow.signal == SIGKILL ? kills_ : crashes_);
  }
}

}  // namespace peeper::torture
