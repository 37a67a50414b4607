#include "daemon/log/rotation.hpp"

#include <fcntl.h>
#include <spdlog/details/file_helper.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <tuple>

namespace peeper::daemon {
namespace {

Result<UniqueFd> open_file(const std::string& file, int flags) {
  UniqueFd fd{::open(file.c_str(),
                     O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK | flags,
                     0666)};
  if (!fd) return system_failure("cannot open " + file, errno);
  return fd;
}

bool exists(const std::string& file) {
  struct stat facts {};
  return ::lstat(file.c_str(), &facts) == 0;
}

}  // namespace

// Names are those that spdlog's own sink gives.
std::string older_log(const std::string& file, std::size_t number) {
  const auto [name, extension] = spdlog::details::file_helper::split_by_extension(file);
  return name + "." + std::to_string(number) + extension;
}

Result<UniqueFd> open_log(const std::string& file) { return open_file(file, 0); }

Result<UniqueFd> rotate_log(const std::string& file, std::size_t most_older) {
  const std::string next = file + ".next";
  ::unlink(next.c_str());  // of a peeperd that died in the middle of this
  auto opened = open_file(next, O_EXCL);
  if (!opened) return opened;
  const auto fail = [&next](const std::string& from, const std::string& to) {
    const Failure failure = system_failure("cannot rename " + from + " to " + to, errno);
    ::unlink(next.c_str());
    return failure;
  };
  // They move up to the first name that is free, so that trying again moves none of them again.
  std::size_t last = 1;
  while (last < most_older && exists(older_log(file, last))) ++last;
  for (std::size_t to = last; to > 0; --to) {
    const std::string from = to == 1 ? file : older_log(file, to - 1);
    const std::string name = older_log(file, to);
    // Somebody has moved `file` away: then it is not ours to name.
    const bool is_gone = to == 1 && !exists(file);
    if (!is_gone && std::rename(from.c_str(), name.c_str()) != 0) return fail(from, name);
  }
  if (std::rename(next.c_str(), file.c_str()) == 0) return opened;
  const Failure failure = fail(next, file);
  std::rename(older_log(file, 1).c_str(), file.c_str());
  return failure;
}

}  // namespace peeper::daemon
