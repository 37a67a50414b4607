// A read-only file system. The C library has no functions for Landlock (landlock(7)).
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "common/unique_fd.hpp"
#include "worker/runtime/landlock.hpp"

namespace peeper::worker {
namespace {

using Access = std::uint64_t;

constexpr Access kRead =
    LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR;
// Of the first version, 13 rights; those of later ones that are about writing, by their bits, for
// the kernel may be newer than the headers.
constexpr Access kFirstVersion = (Access{1} << 13) - 1;
constexpr Access kRefer = Access{1} << 13;     // version 2: to link or rename between directories
constexpr Access kTruncate = Access{1} << 14;  // version 3
constexpr Access kOfFiles = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE |
                            LANDLOCK_ACCESS_FS_READ_FILE | kTruncate;

Access rights_of_version(int version) {
  Access rights = kFirstVersion;
  if (version >= 2) rights |= kRefer;
  if (version >= 3) rights |= kTruncate;
  return rights;
}

Result<void> allow(int ruleset, const std::string& path, Access rights) {
  const UniqueFd fd{::open(path.c_str(), O_PATH | O_CLOEXEC)};
  struct stat facts {};
  if (!fd || ::fstat(fd.get(), &facts) != 0)
    return system_failure("sandbox: cannot open " + path, errno);
  if (!S_ISDIR(facts.st_mode)) rights &= kOfFiles;
  const landlock_path_beneath_attr rule{rights, fd.get()};
  if (::syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) != 0)
    return system_failure("sandbox: cannot allow " + path, errno);
  return {};
}

}  // namespace

Result<void> allow_writes_only_to(const std::vector<std::string>& writable) {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0,
                                 LANDLOCK_CREATE_RULESET_VERSION);
  if (version < 1)
    return system_failure("sandbox: this kernel has no Landlock, so that the file system can't be "
                          "made read-only", errno);
  const Access all = rights_of_version(static_cast<int>(version));
  // The first field is all that every version has.
  const Access handled = all;
  const UniqueFd ruleset{
      static_cast<int>(::syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0))};
  if (!ruleset) return system_failure("sandbox: no Landlock ruleset", errno);
  if (const auto allowed = allow(ruleset.get(), "/", kRead); !allowed) return allowed;
  for (const std::string& path : writable)
    if (const auto allowed = allow(ruleset.get(), path, all); !allowed) return allowed;
  if (::syscall(SYS_landlock_restrict_self, ruleset.get(), 0) != 0)
    return system_failure("sandbox: Landlock refuses", errno);
  return {};
}

}  // namespace peeper::worker
