#include "full_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

namespace peeper::test {
namespace {

FullMemory::Room left;
int failed = 0;
std::optional<std::uint64_t> had_before;

}  // namespace

FullMemory::FullMemory(Room room) {
  left = room;
  had_before.reset();
  failed = 0;
}
FullMemory::~FullMemory() { left = {}; }

int FullMemory::failures() { return failed; }

static std::uint64_t memory_of(int fd) {
  struct stat facts {};
  return ::fstat(fd, &facts) == 0 ? static_cast<std::uint64_t>(facts.st_blocks) * 512 : 0;
}

static int fallocate_while_there_is_room(int fd, off_t offset, off_t bytes) {
  if (!had_before) had_before = memory_of(fd);
  const bool is_short = left.bytes != FullMemory::kUnlimited &&
                        memory_of(fd) + static_cast<std::uint64_t>(bytes) >
                            *had_before + left.bytes;
  if (left.calls == 0 || is_short) {
    ++failed;
    return ENOSPC;
  }
  if (::syscall(SYS_fallocate, fd, 0, offset, bytes) != 0) return errno;
  if (left.calls != FullMemory::kUnlimited) --left.calls;
  return 0;
}

static int madvise_while_there_is_room(void* memory, std::size_t bytes, int advice) {
  if (advice == MADV_POPULATE_WRITE && left.pages != FullMemory::kUnlimited) {
    if (bytes / 4096 > left.pages) {
      ++failed;
      errno = ENOMEM;
      return -1;
    }
    left.pages -= bytes / 4096;
  }
  return static_cast<int>(::syscall(SYS_madvise, memory, bytes, advice));
}

}  // namespace peeper::test

// In this program they take the place of the C library's.
extern "C" int posix_fallocate(int fd, off_t offset, off_t bytes) {
  return peeper::test::fallocate_while_there_is_room(fd, offset, bytes);
}
extern "C" int madvise(void* memory, std::size_t bytes, int advice) noexcept {
  return peeper::test::madvise_while_there_is_room(memory, bytes, advice);
}
