#include "daemon/process/child_mark.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <system_error>

#include "common/unique_fd.hpp"

namespace peeper::daemon {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kVariable = "PEEPER_CHILD_OF=";
// Environments are bounded by the kernel; this bounds what is read of one.
constexpr std::size_t kMostEnvironment = 4 << 20;
// Fields of /proc/PID/stat, counted from the one behind the name, which is the third of proc(5):
// addresses of what execve(2) sets last, and of where the environment begins and ends.
constexpr std::size_t kCodeEnd = 24;
constexpr std::size_t kEnvironmentBegin = 47;
constexpr std::size_t kEnvironmentEnd = 48;

// What there is of it; an error is an end.
std::string read_some(int fd) {
  std::string text;
  char buffer[4096];
  while (text.size() < kMostEnvironment) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
  }
  return text;
}

UniqueFd open_to_read(const fs::path& file) {
  return UniqueFd{::open(file.c_str(), O_RDONLY | O_CLOEXEC)};
}

// A thread of the kernel, and a process that has just ended, have none.
bool has_program(const fs::path& process) {
  std::error_code error;
  return !fs::read_symlink(process / "exe", error).empty();
}

}  // namespace

std::string child_mark(std::string_view family, int daemon, std::uint64_t number) {
  return std::string(kVariable) + std::string(family) + ":" + std::to_string(daemon) + ":" +
         std::to_string(number);
}

std::string family_name(const std::string& instance) {
  struct stat facts {};
  const bool known = ::stat("/dev/shm", &facts) == 0;
  return std::to_string(known ? facts.st_dev : 0) + "." + instance;
}

bool is_of_family(std::string_view mark, std::string_view family) {
  if (!mark.starts_with(kVariable)) return false;
  mark.remove_prefix(kVariable.size());
  return mark.size() > family.size() && mark.starts_with(family) && mark[family.size()] == ':';
}

std::string mark_in(std::string_view environment) {
  while (!environment.empty()) {
    const std::string_view variable = environment.substr(0, environment.find('\0'));
    if (variable.starts_with(kVariable)) return std::string(variable);
    environment.remove_prefix(std::min(variable.size() + 1, environment.size()));
  }
  return {};
}

std::optional<std::uint64_t> environment_size(std::string_view stat) {
  // The name is whatever the process likes, spaces and brackets too.
  const std::size_t name_end = stat.rfind(") ");
  if (name_end == stat.npos) return std::nullopt;
  std::string_view rest = stat.substr(name_end + 2);
  std::array<std::uint64_t, kEnvironmentEnd + 1> fields{};
  for (std::uint64_t& field : fields) {
    const std::string_view text = rest.substr(0, rest.find_first_of(" \n"));
    // Some are no addresses: a letter, or negative.
    std::from_chars(text.data(), text.data() + text.size(), field);
    if (text.size() == rest.size()) return std::nullopt;
    rest.remove_prefix(text.size() + 1);
  }
  const std::uint64_t begin = fields[kEnvironmentBegin];
  const std::uint64_t end = fields[kEnvironmentEnd];
  if (fields[kCodeEnd] == 0 || end == 0 || end < begin) return std::nullopt;
  return end - begin;
}

std::optional<std::string> mark_of(int pid) {
  const fs::path process = "/proc/" + std::to_string(pid);
  const UniqueFd environment = open_to_read(process / "environ");
  if (!environment) {
    const bool no_means = errno == EMFILE || errno == ENFILE || errno == ENOMEM;
    return no_means ? std::nullopt : std::optional<std::string>{std::string{}};
  }
  const std::string text = read_some(environment.get());
  if (std::string mark = mark_in(text); !mark.empty()) return mark;
  // Was that all of it? What is read is the memory that the process had when the file was opened;
  // it ends where that is given up.
  const UniqueFd stat = open_to_read(process / "stat");
  const auto size = stat ? environment_size(read_some(stat.get())) : std::nullopt;
  if (size ? *size == text.size() || text.size() >= kMostEnvironment : !has_program(process))
    return std::string{};
  return std::nullopt;
}

}  // namespace peeper::daemon
