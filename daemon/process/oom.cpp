#include "daemon/process/oom.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <system_error>

namespace peeper::daemon {
namespace {

namespace fs = std::filesystem;

// Behind every worker, but not out of reach: a daemon that leaks shall not take the machine.
constexpr int kLast = -900;

std::string text_of(const fs::path& file) {
  std::ifstream stream{file};
  std::stringstream text;
  text << stream.rdbuf();
  return text.str();
}

// Of a line "hierarchy:controllers:path" of /proc/self/cgroup.
std::string group_path(std::string_view controllers) {
  std::ifstream lines{"/proc/self/cgroup"};
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = first == line.npos ? first : line.find(':', first + 1);
    if (second != line.npos && line.substr(first + 1, second - first - 1) == controllers)
      return line.substr(second + 1);
  }
  return {};
}

}  // namespace

std::uint64_t count_of(std::string_view name, std::string_view text) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ') {
      std::uint64_t count = 0;
      std::from_chars(line.data() + name.size() + 1, line.data() + line.size(), count);
      return count;
    }
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return 0;
}

int be_killed_last() {
  const char* file = "/proc/self/oom_score_adj";
  int own = 0;
  std::ifstream{file} >> own;
  if (own > kLast) std::ofstream{file} << kLast;  // refused where it isn't ours to lower
  return own;
}

boost::asio::execution_context::id OomWatch::id;

OomWatch::OomWatch(boost::asio::execution_context& context)
    : boost::asio::execution_context::service(context),
      timer_(static_cast<boost::asio::io_context&>(context)),
      file_("/proc/vmstat"),
      name_("oom_kill") {
  std::error_code error;
  for (const std::string& group : {"/sys/fs/cgroup" + group_path("") + "/memory.events",
                                   "/sys/fs/cgroup/memory" + group_path("memory") +
                                       "/memory.oom_control"}) {
    if (!fs::exists(group, error)) continue;
    file_ = group;
    break;
  }
}

void OomWatch::shutdown() { timer_.cancel(); }

void OomWatch::start() {
  tally_.note(count(), std::chrono::steady_clock::now());
  timer_.expires_after(OomTally::kPeriod);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) start();
  });
}

bool OomWatch::explains_death() { return tally_.explains_death(count()); }

std::uint64_t OomWatch::count() const { return count_of(name_, text_of(file_)); }

}  // namespace peeper::daemon
