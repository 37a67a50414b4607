#include "daemon/descendants.hpp"

#include <spdlog/spdlog.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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

#include "common/unique_fd.hpp"

namespace peeper::daemon {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVariable = "PEEPER_CHILD_OF=";
// After a death the next worker comes first.
constexpr std::chrono::milliseconds kMoment{5};
// Environments are bounded by the kernel; this bounds what is read of one.
constexpr std::size_t kMostEnvironment = 4 << 20;

std::string read_some(const fs::path& file) {
  std::ifstream stream{file, std::ios::binary};
  std::string text;
  char buffer[4096];
  do {
    stream.read(buffer, sizeof buffer);
    text.append(buffer, static_cast<std::size_t>(stream.gcount()));
  } while (stream && text.size() < kMostEnvironment);
  return text;
}

std::string mark_of(int pid) {
  return mark_in(read_some("/proc/" + std::to_string(pid) + "/environ"));
}

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

std::optional<int> pid_in(const std::string& text) {
  int pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return pid;
}

}  // namespace

Fate fate_of(const Stray& stray, const Kin& living) {
  if (living.groups.contains(stray.group)) return Fate::kLeave;
  if (stray.mark.empty()) return living.is_init ? Fate::kLeave : Fate::kKill;
  return living.marks.contains(stray.mark) ? Fate::kLeave : Fate::kKill;
}

std::string mark_in(std::string_view environment) {
  while (!environment.empty()) {
    const std::string_view variable = environment.substr(0, environment.find('\0'));
    if (variable.starts_with(kVariable)) return std::string(variable);
    environment.remove_prefix(std::min(variable.size() + 1, environment.size()));
  }
  return {};
}

bool is_of_family(std::string_view mark, std::string_view family) {
  if (!mark.starts_with(kVariable)) return false;
  mark.remove_prefix(kVariable.size());
  return mark.size() > family.size() && mark.starts_with(family) && mark[family.size()] == ':';
}

std::string family_name(const std::string& instance) {
  struct stat facts {};
  const bool known = ::stat("/dev/shm", &facts) == 0;
  return std::to_string(known ? facts.st_dev : 0) + "." + instance;
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
  return std::string(kVariable) + family_ + ":" + std::to_string(::getpid()) + ":" +
         std::to_string(++last_mark_);
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
  for (const int pid : children_of_this_process()) {
    if (children_.contains(pid)) continue;
    if (::waitpid(pid, nullptr, WNOHANG) == pid) {
      foreign_.erase(pid);
      continue;
    }
    if (foreign_.contains(pid)) continue;
    if (!kin) kin = living();
    const int group = ::getpgid(pid);
    if (fate_of({group, mark_of(pid)}, *kin) == Fate::kLeave) continue;
    none_left = false;
    spdlog::debug("killing {}, which a worker that has ended had started", pid);
    ::kill(group == pid ? -pid : pid, SIGKILL);
  }
  return none_left;
}

void Descendants::end_leftovers(const std::vector<fs::path>& programs) const {
  // Started by a worker itself, this process would be one.
  if (is_of_family(mark_of(::getpid()), family_)) return;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator{"/proc", error}) {
    const auto pid = pid_in(entry.path().filename());
    if (!pid || *pid == ::getpid()) continue;
    // Taken before it is looked at: the number can't become another's in between.
    const UniqueFd process{static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0))};
    if (!process || !is_of_family(mark_of(*pid), family_)) continue;
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
