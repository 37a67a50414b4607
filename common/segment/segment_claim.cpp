// Who may write a segment, and who can't any more.
#include <fcntl.h>
#include <sys/mman.h>

#include <boost/interprocess/exceptions.hpp>
#include <cerrno>

#include "common/segment/segment.hpp"

namespace peeper::segment {
namespace {

namespace bip = boost::interprocess;

struct flock byte_lock(Role role, short type) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = role == Role::kKeeper ? 0 : 1;
  lock.l_len = 1;
  return lock;
}

}  // namespace

Result<void> Segment::claim(Role role) {
  struct flock lock = byte_lock(role, F_WRLCK);
  if (::fcntl(descriptor(), F_OFD_SETLK, &lock) == 0) return {};
  const char* who = role == Role::kKeeper ? "keeper" : "worker";
  if (errno == EAGAIN || errno == EACCES)
    return Failure{"segment " + id_.path() + " still has a " + who + " (find it with: fuser " +
                       id_.path() + ")",
                   EAGAIN};
  return system_failure("cannot lock segment " + id_.path() + " as its " + who, errno);
}

// The lock belongs to the open file, which lives as long as a descriptor or a mapping of it.
Result<void> Segment::claim_releasably(Role role) {
  auto again = open_object(id_, IfMissing::kFail);
  if (!again) return again.error();
  if (again->inode_ != inode_)
    return Failure{"segment " + id_.path() + " was removed while in use", ENOENT};
  if (const auto claimed = again->claim(role); !claimed) return claimed;
  try {
    claim_ = bip::mapped_region{again->object_, bip::read_only, 0, kPageBytes};
    return {};
  } catch (const bip::interprocess_exception& e) {
    return system_failure("cannot map segment " + id_.path(), e.get_native_error());
  }
}

bool Segment::is_claimed(Role role) const {
  struct flock lock = byte_lock(role, F_WRLCK);
  return ::fcntl(descriptor(), F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

Result<void> Segment::keep_to_this_process() {
  is_kept_private_ = true;
  return keep_mapping_private();
}

Result<void> Segment::keep_mapping_private() const {
  void* start = region_.get_address();
  if (::madvise(start, region_.get_size(), MADV_DONTFORK) != 0)
    return system_failure("cannot keep segment " + id_.path() + " from children", errno);
  if (claim_.get_size() != 0 &&
      ::madvise(claim_.get_address(), claim_.get_size(), MADV_DONTFORK) != 0)
    return system_failure("cannot keep the claim on " + id_.path() + " from children", errno);
  if (!heap_.empty())
    // From the heap to the segment's end lie heap and journal.
    ::madvise(heap_.data(),
              region_.get_size() - static_cast<std::size_t>(
                                       heap_.data() - static_cast<std::byte*>(start)),
              MADV_DONTDUMP);
  return {};
}

// The commit is a store into Control, which has a page of its own.
bool Segment::forbid_commits() const noexcept {
  return ::mprotect(&control(), kPageBytes, PROT_READ) == 0;
}

// Parts that are read-only already cost nothing: cold pages of the heap, however many were read.
bool Segment::forbid_writes() const noexcept {
  auto* begin = static_cast<std::byte*>(region_.get_address());
  return ::mprotect(begin, kCrashOffset, PROT_READ) == 0 &&
         ::mprotect(begin + kRingsOffset, region_.get_size() - kRingsOffset, PROT_READ) == 0;
}

void Segment::release_claim() const noexcept {
  if (claim_.get_size() != 0) ::munmap(claim_.get_address(), claim_.get_size());
}

}  // namespace peeper::segment
