#include "common/segment/client_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <new>
#include <utility>

#include "common/segment/futex.hpp"

namespace peeper::segment {
namespace {

constexpr int kSeals = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;

}  // namespace

Result<UniqueFd> make_client_file(std::uint64_t ring_bytes) {
  const auto bytes = static_cast<off_t>(client_file_bytes(ring_bytes));
  UniqueFd file{::memfd_create("peeper-channel", MFD_CLOEXEC | MFD_ALLOW_SEALING)};
  if (!file) return system_failure("no memory file for a channel", errno);
  int error = 0;
  do {
    error = ::posix_fallocate(file.get(), 0, bytes);
  } while (error == EINTR);
  if (error != 0) return system_failure("no memory for a channel", error);
  if (::fcntl(file.get(), F_ADD_SEALS, kSeals) != 0)
    return system_failure("a channel's file can't be sealed", errno);
  return file;
}

Result<ClientMemory> ClientMemory::map(int fd, std::uint64_t ring_bytes) {
  struct stat facts {};
  const auto bytes = client_file_bytes(ring_bytes);
  const bool is_it = is_client_ring(ring_bytes) && ::fstat(fd, &facts) == 0 &&
                     static_cast<std::uint64_t>(facts.st_size) == bytes &&
                     (::fcntl(fd, F_GET_SEALS) & kSeals) == kSeals;
  if (!is_it) return Failure{"this is no channel's file of the size that was told", EBADF};
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return system_failure("a channel can't be mapped", errno);
  ClientMemory made;
  made.memory_ = static_cast<std::byte*>(memory);
  made.ring_bytes_ = ring_bytes;
  if (::madvise(memory, bytes, MADV_DONTFORK) != 0)
    return system_failure("a channel can't be kept from children", errno);
  return made;
}

ClientMemory::ClientMemory(ClientMemory&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)),
      ring_bytes_(std::exchange(other.ring_bytes_, 0)) {}

ClientMemory& ClientMemory::operator=(ClientMemory&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(ring_bytes_, other.ring_bytes_);
  return *this;
}

ClientMemory::~ClientMemory() {
  if (memory_ != nullptr) ::munmap(memory_, client_file_bytes(ring_bytes_));
}

void ring_client(ClientHeader& header) {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (header.client_sleeps.load(std::memory_order_relaxed) == 0) return;
  header.client_bell.fetch_add(1, std::memory_order_release);
  futex_wake(header.client_bell);
}

}  // namespace peeper::segment
