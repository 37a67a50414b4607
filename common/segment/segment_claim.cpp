// Who may write a segment, and who can't any more.
#include <fcntl.h>
#include <sys/mman.h>

#include <boost/interprocess/exceptions.hpp>
#include <cerrno>

#include "common/segment/memory.hpp"
#include "common/segment/plan.hpp"
#include "common/segment/segment.hpp"

namespace peeper::segment {
namespace {

namespace bip = boost::interprocess;

// Of these two bytes census.cpp knows, too.
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
  } catch (const bip::interprocess_exception& e) {
    return system_failure("cannot map segment " + id_.path(), e.get_native_error());
  }
  if (::madvise(claim_.get_address(), claim_.get_size(), MADV_DONTFORK) != 0)
    return system_failure("cannot keep the claim on " + id_.path() + " from children", errno);
  return {};
}

void Segment::release(Role role) const {
  struct flock lock = byte_lock(role, F_UNLCK);
  ::fcntl(descriptor(), F_OFD_SETLK, &lock);
}

bool Segment::is_claimed(Role role) const {
  struct flock lock = byte_lock(role, F_WRLCK);
  return ::fcntl(descriptor(), F_OFD_GETLK, &lock) != 0 || lock.l_type != F_UNLCK;
}

Result<void> Segment::keep_to_this_process(CoreDump dump) {
  kept_private_ = dump;
  return keep_mapping_private();
}

Result<void> Segment::keep_mapping_private() const {
  auto* start = static_cast<std::byte*>(region_.get_address());
  if (::madvise(start, region_.get_size(), MADV_DONTFORK) != 0)
    return system_failure("cannot keep segment " + id_.path() + " from children", errno);
  constexpr std::size_t kPrivate = kGoneOffset;  // from here on
  if (::madvise(start + kPrivate, region_.get_size() - kPrivate, MADV_DONTDUMP) != 0)
    return system_failure("cannot keep segment " + id_.path() + " out of core dumps", errno);
  if (kept_private_ == CoreDump::kWithState) {
    ::madvise(start + kPrivate, plan_.heap.offset - kPrivate, MADV_DODUMP);
    if (heap_.empty()) return {};
    dump_reserved(0, control().worker.heap_reserved.load());
    const Extent images = journal_set_aside(plan_);
    ::madvise(at<std::byte>(images.offset), images.bytes, MADV_DODUMP);
  }
  return {};
}

// Not the rest of heap and journal, and of the journal's images what they always have: to dump a page without memory, the kernel would give it some.
void Segment::dump_reserved(std::uint64_t from, std::uint64_t to) const {
  if (to > plan_.heap.bytes) return;  // not from us
  for (const Extent& part : heap_parts(plan_, from, to).extents) {
    const std::uint64_t begin = part.offset / kPageBytes * kPageBytes;
    ::madvise(at<std::byte>(begin), page_up(part.offset + part.bytes) - begin, MADV_DODUMP);
  }
}

Result<void> Segment::set_writing(Writing writing) const {
  const int access = writing == Writing::kAllowed ? PROT_READ | PROT_WRITE : PROT_READ;
  if (::mprotect(region_.get_address(), region_.get_size(), access) == 0) return {};
  return system_failure("cannot change what may be written of segment " + id_.path(), errno);
}

// The commit is a store into Control, which has a page of its own.
bool Segment::forbid_commits() const noexcept {
  return ::mprotect(&control(), kPageBytes, PROT_READ) == 0;
}

// Parts that are read-only already cost nothing: cold pages of the heap, however many were read.
bool Segment::forbid_writes() const noexcept {
  auto* begin = static_cast<std::byte*>(region_.get_address());
  return ::mprotect(begin, kCrashOffset, PROT_READ) == 0 &&
         ::mprotect(begin + kGoneOffset, region_.get_size() - kGoneOffset, PROT_READ) == 0;
}

void Segment::release_claim() const noexcept {
  if (claim_.get_size() != 0) ::munmap(claim_.get_address(), claim_.get_size());
}

}  // namespace peeper::segment
