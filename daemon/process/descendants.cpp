#include "daemon/process/descendants.hpp"

#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <system_error>
#include <thread>
#include <utility>

#include "common/unique_fd.hpp"
#include "daemon/process/child_mark.hpp"

namespace peeper::daemon {
namespace {

namespace fs = std::filesystem;

// After a death the next worker comes first.
constexpr std::chrono::milliseconds kMoment{5};
// A moment apart: time for a program to be read from a slow disk. What can't be told of a process
// for longer won't be told.
constexpr int kMostLooks = 200;

// As the kernel lists them, thread by thread; nothing where it doesn't.
std::vector<int> children_of_this_process() {
  std::vector<int> pids;
  std::error_code error;
  for (const auto& thread : fs::directory_iterator{"/proc/self/task", error}) {
    std::ifstream list{thread.path() / "children"};
    std::copy(std::istream_iterator<int>{list}, {}, std::back_inserter(pids));
  }
  return pids;
}

// Waits for one that executes a program: what is left of an earlier peeperd is looked at once.
std::string settled_mark_of(int pid) {
  for (int look = 0; look < 20; ++look) {
    if (auto mark = mark_of(pid)) return *std::move(mark);
    std::this_thread::sleep_for(kMoment);
  }
  return {};
}

// `looks`: how often it was looked at in vain.
Fate judge(int pid, int group, const Kin& living, int looks) {
  const Fate fate = fate_of({group, mark_of(pid)}, living);
  if (fate != Fate::kLookAgain || looks < kMostLooks) return fate;
  return fate_of({group, std::string{}}, living);
}

std::optional<int> pid_in(const std::string& text) {
  int pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return pid;
}

}  // namespace

Fate fate_of(const Stray& stray, const Kin& living) {
  if (living.groups.contains(stray.group)) return Fate::kLeave;
  const bool may_be_foreign = living.is_init;
  if (!stray.mark)
    return living.marks.empty() && !may_be_foreign ? Fate::kKill : Fate::kLookAgain;
  if (stray.mark->empty()) return may_be_foreign ? Fate::kLeave : Fate::kKill;
  return living.marks.contains(*stray.mark) ? Fate::kLeave : Fate::kKill;
}

boost::asio::execution_context::id Descendants::id;

Descendants::Descendants(boost::asio::execution_context& context)
    : boost::asio::execution_context::service(context),
      ended_(static_cast<boost::asio::io_context&>(context)),
      timer_(static_cast<boost::asio::io_context&>(context)) {}

void Descendants::shutdown() {
  boost::system::error_code ignored;
  ended_.cancel(ignored);
  timer_.cancel();
}

void Descendants::adopt(std::string family) {
  family_ = std::move(family);
  for (const int pid : children_of_this_process()) foreign_.insert(pid);
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
    spdlog::warn("this kernel has no child subreapers; processes that leave their worker's process "
                 "group outlive it");
  boost::system::error_code error;
  ended_.add(SIGCHLD, error);
  if (!error) watch();
}

void Descendants::watch() {
  ended_.async_wait([this](boost::system::error_code error, int) {
    if (error) return;
    sweep_soon();
    watch();
  });
}

std::string Descendants::next_mark() {
  return child_mark(family_, ::getpid(), ++last_mark_);
}

void Descendants::add(int pid, std::string mark) { children_[pid] = std::move(mark); }

void Descendants::remove(int pid) {
  children_.erase(pid);
  sweep_soon();
}

void Descendants::sweep_soon() {
  if (std::exchange(waiting_, true)) return;
  timer_.expires_after(kMoment);
  timer_.async_wait([this](boost::system::error_code error) {
    if (error) return;
    waiting_ = false;
    sweep();
  });
}

Kin Descendants::living() const {
  Kin kin;
  kin.is_init = ::getpid() == 1;
  for (const auto& [pid, mark] : children_) {
    kin.groups.insert(pid);
    kin.marks.insert(mark);
  }
  return kin;
}

// What is killed hands its own children over, so that each death leads to another look.
bool Descendants::sweep() {
  std::optional<Kin> kin;
  bool none_left = true;
  const std::map<int, int> looks = std::exchange(unsettled_, {});
  for (const int pid : children_of_this_process()) {
    if (children_.contains(pid)) continue;
    if (::waitpid(pid, nullptr, WNOHANG) == pid) {
      foreign_.erase(pid);
      continue;
    }
    if (foreign_.contains(pid)) continue;
    if (!kin) kin = living();
    const int group = ::getpgid(pid);
    const auto before = looks.find(pid);
    const int in_vain = before != looks.end() ? before->second : 0;
    const Fate fate = judge(pid, group, *kin, in_vain);
    if (fate == Fate::kLeave) continue;
    none_left = false;
    if (fate == Fate::kLookAgain) {
      unsettled_.emplace(pid, in_vain + 1);
      continue;
    }
    spdlog::debug("killing {}, which a worker that has ended had started", pid);
    ::kill(group == pid ? -pid : pid, SIGKILL);
  }
  if (!unsettled_.empty()) sweep_soon();
  return none_left;
}

void Descendants::end_leftovers(const std::vector<fs::path>& programs) const {
  // Started by a worker itself, this process would be one.
  if (is_of_family(settled_mark_of(::getpid()), family_)) return;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{"/proc", error}) {
    const auto pid = pid_in(entry.path().filename());
    if (!pid || *pid == ::getpid()) continue;
    // Taken before it is looked at: the number can't become another's in between.
    const UniqueFd process{static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0))};
    if (!process || !is_of_family(settled_mark_of(*pid), family_)) continue;
    std::error_code unknown;
    const fs::path program = fs::read_symlink(entry.path() / "exe", unknown);
    const bool ends_by_itself =
        ::getpgid(*pid) == *pid && std::ranges::find(programs, program) != programs.end();
    if (ends_by_itself) continue;
    spdlog::info("killing {}, which a worker of an earlier peeperd had started", *pid);
    ::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0);
  }
}

}  // namespace peeper::daemon
