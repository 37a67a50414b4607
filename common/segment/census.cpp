#include "common/segment/census.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "common/clock.hpp"
#include "common/segment/layout.hpp"
#include "common/segment/plan.hpp"
#include "common/unique_fd.hpp"

namespace peeper::segment {
namespace {

constexpr const char* kDirectory = "/dev/shm";
constexpr std::uint64_t kBlockBytes = 512;  // of st_blocks

// The header as it is in memory, but a copy: whoever writes the original, this stays.
struct Copy {
  std::uint64_t magic;
  std::uint32_t layout_version;
  std::uint32_t page_bytes;
  Plan plans[2];
  std::uint64_t current;
  std::uint64_t uid;
  char server[sizeof(Header::server)];
};
static_assert(offsetof(Copy, plans) == offsetof(Header, plans));
static_assert(offsetof(Copy, current) == offsetof(Header, current));
static_assert(offsetof(Copy, server) == offsetof(Header, server));

// The bytes of both roles (segment_claim.cpp).
struct flock both_roles() {
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = 0;
  lock.l_len = 2;
  return lock;
}

struct Opened {
  UniqueFd fd;
  struct stat facts {};
};

// Whatever has that name: nothing is followed, nothing waited for, only a file is opened.
Result<Opened> open_file(const SegmentId& id) {
  Opened file;
  const std::string path = id.path();
  if (::lstat(path.c_str(), &file.facts) != 0)
    return system_failure("cannot look at " + path, errno);
  if (!S_ISREG(file.facts.st_mode)) return Failure{path + " is no file", EINVAL};
  file.fd.reset(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!file.fd || ::fstat(file.fd.get(), &file.facts) != 0)
    return system_failure("cannot open " + path, errno);
  if (!S_ISREG(file.facts.st_mode)) return Failure{path + " is no file", EINVAL};
  return file;
}

FileKind kind_of(const Opened& file, const SegmentId& id) {
  std::string header(sizeof(Copy), '\0');
  const ssize_t got = ::pread(file.fd.get(), header.data(), header.size(), 0);
  header.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return segment::kind_of(header, static_cast<std::uint64_t>(file.facts.st_size), id.server);
}

// True also when that can't be found out.
bool is_held(const Opened& file) {
  struct flock lock = both_roles();
  return ::fcntl(file.fd.get(), F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

std::chrono::seconds age_of(const std::string& path, const struct stat& facts) {
  struct statx more {};
  std::int64_t made = facts.st_mtim.tv_sec;
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW, STATX_BTIME, &more) == 0 &&
      (more.stx_mask & STATX_BTIME) != 0)
    made = more.stx_btime.tv_sec;
  const auto now = static_cast<std::int64_t>(wall_clock_ns() / 1'000'000'000);
  return std::chrono::seconds{std::max<std::int64_t>(now - made, 0)};
}

SegmentFile look_at(SegmentId id) {
  SegmentFile seen{.id = std::move(id)};
  const std::string path = seen.id.path();
  const Result<Opened> file = open_file(seen.id);
  struct stat facts {};
  if (file)
    facts = file->facts;
  else
    ::lstat(path.c_str(), &facts);
  seen.owner = facts.st_uid;
  seen.bytes = static_cast<std::uint64_t>(facts.st_size);
  seen.used_bytes = static_cast<std::uint64_t>(facts.st_blocks) * kBlockBytes;
  seen.age = age_of(path, facts);
  if (!file) return seen;
  seen.kind = kind_of(*file, seen.id);
  seen.is_held = is_held(*file);
  return seen;
}

}  // namespace

std::string_view server_in(std::string_view file_name, std::string_view instance) {
  using std::string_view;
  for (const string_view part : {string_view{"peeper."}, instance, string_view{"."}}) {
    if (!file_name.starts_with(part)) return {};
    file_name.remove_prefix(part.size());
  }
  return file_name;
}

FileKind kind_of(std::string_view header, std::uint64_t file_bytes, std::string_view server) {
  Copy copy{};
  if (header.size() < sizeof copy || file_bytes < kRingsOffset) return FileKind::kNoSegment;
  std::memcpy(&copy, header.data(), sizeof copy);
  if (copy.magic != kMagic) return FileKind::kNoSegment;
  if (copy.layout_version != kLayoutVersion) return FileKind::kOtherVersion;
  if (std::string_view{copy.server, ::strnlen(copy.server, sizeof copy.server)} != server ||
      copy.page_bytes != kPageBytes || copy.current > 1)
    return FileKind::kNoSegment;
  const std::optional<Plan> plan = sound_plan(copy.plans[copy.current]);
  return plan && plan->total_bytes <= file_bytes ? FileKind::kSegment : FileKind::kNoSegment;
}

Result<std::vector<SegmentFile>> segment_files(const std::string& instance) {
  std::error_code error;
  std::filesystem::directory_iterator entry{kDirectory, error};
  std::vector<std::string> servers;
  for (; !error && entry != std::filesystem::directory_iterator{}; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (const std::string_view server = server_in(name, instance); !server.empty())
      servers.emplace_back(server);
  }
  if (error) return system_failure(std::string("cannot read ") + kDirectory, error.value());
  std::ranges::sort(servers);
  if (servers.size() > kMostSegmentFiles) servers.resize(kMostSegmentFiles);
  std::vector<SegmentFile> files;
  files.reserve(servers.size());
  for (std::string& server : servers)
    files.push_back(look_at({.instance = instance, .server = std::move(server)}));
  return files;
}

Result<void> remove_unheld(const SegmentId& id, uid_t owner) {
  const std::string path = id.path();
  const Result<Opened> file = open_file(id);
  if (!file) return file.error();
  struct flock lock = both_roles();
  if (::fcntl(file->fd.get(), F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return Failure{"a process holds " + path, EAGAIN};
    return system_failure("cannot lock " + path, errno);
  }
  // From here on nobody comes to hold it. What it is now counts, not what it was when listed.
  struct stat named {};
  if (::lstat(path.c_str(), &named) != 0) return system_failure("cannot look at " + path, errno);
  if (named.st_ino != file->facts.st_ino || file->facts.st_uid != owner ||
      kind_of(*file, id) != FileKind::kSegment)
    return Failure{path + " is another one by now", EINVAL};
  if (::unlink(path.c_str()) != 0) return system_failure("cannot remove " + path, errno);
  return {};
}

}  // namespace peeper::segment
