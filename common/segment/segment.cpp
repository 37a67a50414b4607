#include "common/segment/segment.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <algorithm>
#include <boost/interprocess/creation_tags.hpp>
#include <boost/interprocess/exceptions.hpp>
#include <boost/interprocess/permissions.hpp>
#include <cerrno>
#include <cstring>
#include <thread>

#include "common/segment/memory.hpp"
#include "common/segment/plan.hpp"

namespace peeper::segment {
namespace {

namespace bip = boost::interprocess;

std::string start_over(const SegmentId& id) {
  return "to start over with an empty state, remove it: rm " + id.path();
}

// Tells this segment from any other there was or will be.
std::uint64_t fresh_uid() {
  std::uint64_t uid = 0;
  while (uid == 0)
    if (::getrandom(&uid, sizeof uid, 0) != sizeof uid) uid = 0;
  return uid;
}

Plan plan_for(const Wanted& wanted) {
  return lay_out({wanted.state_bytes, wanted.mailbox_bytes});
}

// Text of a fixed, perhaps unterminated, field.
template <std::size_t N>
std::string text_of(const char (&field)[N]) {
  return {field, ::strnlen(field, N)};
}

}  // namespace

Result<Segment> Segment::open_object(const SegmentId& id, IfMissing if_missing,
                                     bip::mode_t mode) {
  try {
    const std::string name = id.name();
    Segment segment{id, if_missing == IfMissing::kCreate
                            ? bip::shared_memory_object{bip::open_or_create, name.c_str(),
                                                        bip::read_write, bip::permissions{0600}}
                            : bip::shared_memory_object{bip::open_only, name.c_str(), mode}};
    segment.mode_ = mode;
    struct stat facts {};
    if (::fstat(segment.descriptor(), &facts) != 0)
      return system_failure("cannot look at " + id.path(), errno);
    const uid_t owner = id.owner.value_or(::geteuid());
    // A new one, or from when the server had no user of its own: nobody else could write it so far.
    if (if_missing == IfMissing::kCreate && facts.st_uid == ::geteuid() && owner != facts.st_uid) {
      if (::fchown(segment.descriptor(), owner, static_cast<gid_t>(-1)) != 0)
        return system_failure("cannot give " + id.path() + " to its server's user", errno);
      facts.st_uid = owner;
    }
    if (facts.st_uid != owner || (facts.st_mode & 077) != 0)
      return Failure{"segment " + id.path() +
                         " belongs to another user or is open to others; expected owner " +
                         std::to_string(owner) + " and mode 0600. Remove it or choose another "
                         "'instance' in the configuration",
                     EPERM};
    segment.inode_ = facts.st_ino;
    return segment;
  } catch (const bip::interprocess_exception& e) {
    return system_failure("cannot open segment " + id.path(), e.get_native_error());
  }
}

Result<Segment> Segment::open(const SegmentId& id, View view) {
  auto opened = open_object(id, IfMissing::kFail,
                            view == View::kLook ? bip::read_only : bip::read_write);
  if (!opened) return opened;
  if (const auto attached = opened->attach(view); !attached) return attached.error();
  return opened;
}

Result<Segment> Segment::open_or_create(const SegmentId& id, const Wanted& wanted,
                                        std::chrono::milliseconds patience) {
  auto opened = open_object(id, IfMissing::kCreate);
  if (!opened) return opened;
  Segment segment = std::move(*opened);

  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto claimed = segment.claim(Role::kKeeper);
    if (claimed && segment.has_its_name()) break;
    if (claimed) {  // who held the claim has removed the name: remove_unheld()
      auto again = open_object(id, IfMissing::kCreate);
      if (!again) return again;
      segment = *std::move(again);
      continue;
    }
    if (claimed.error().system_error != EAGAIN || std::chrono::steady_clock::now() > deadline)
      return claimed.error();
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }

  struct stat facts {};
  if (::fstat(segment.descriptor(), &facts) != 0)
    return system_failure("cannot look at " + id.path(), errno);
  // Only an empty one, or one without its magic; anything else is somebody's and stays.
  bool unfinished = facts.st_size == 0;
  if (facts.st_size >= static_cast<off_t>(kRingsOffset)) {
    if (const auto mapped = segment.map(kPageBytes); !mapped) return mapped.error();
    unfinished = segment.header().magic.load(std::memory_order_acquire) == 0;
  }
  if (unfinished)
    if (const auto made = segment.initialise(wanted); !made) return made.error();
  if (const auto attached = segment.attach(View::kWhole); !attached) return attached.error();
  if (auto failure = segment.mismatch(wanted)) return *std::move(failure);
  return segment;
}

bool Segment::has_its_name() const {
  struct stat named {};
  return ::stat(id_.path().c_str(), &named) == 0 && named.st_ino == inode_;
}

// Everything in place before the magic makes it a segment: who dies in between leaves something
// that the next keeper recognises as unfinished.
Result<void> Segment::initialise(const Wanted& wanted) {
  plan_ = plan_for(wanted);
  const int fd = descriptor();
  if (const auto emptied = resize(0); !emptied) return emptied;
  if (const auto sized = resize(plan_.total_bytes); !sized) return sized;
  const auto give_up = [&](Failure failure) -> Result<void> {
    [[maybe_unused]] const auto ignored = resize(0);
    return failure;
  };
  if (const auto kept = reserve(fd, id_, {0, plan_.heap.offset}); !kept)
    return give_up(kept.error());
  if (const auto mapped = map(plan_.total_bytes); !mapped) return give_up(mapped.error());

  Header& h = header();
  h.layout_version = kLayoutVersion;
  h.page_bytes = kPageBytes;
  h.plans[0] = plan_;
  h.uid = fresh_uid();
  id_.server.copy(h.server, sizeof h.server - 1);
  wanted.behaviour.copy(h.behaviour, sizeof h.behaviour - 1);
  const std::uint64_t first = std::min<std::uint64_t>(kFirstHeapBytes, plan_.heap.bytes);
  if (const auto kept = reserve_heap(first); !kept) return give_up(kept.error());
  if (const auto kept = reserve(fd, id_, journal_set_aside(plan_)); !kept)
    return give_up(kept.error());
  h.magic.store(kMagic, std::memory_order_release);
  return {};
}

Result<void> Segment::resize(std::uint64_t bytes) const {
  if (::ftruncate(descriptor(), static_cast<off_t>(bytes)) == 0) return {};
  return system_failure("cannot size segment " + id_.path() + " to " + mib(bytes), errno);
}

// The heap stays where it is and the journal moves up behind it. The journal is forgotten first:
// after a recovery it holds nothing that is needed, and its old place becomes heap.
Result<void> Segment::raise_limit(std::uint64_t state_bytes) {
  if (page_up(state_bytes) <= plan_.heap.bytes) return {};
  const Plan larger = lay_out({state_bytes, plan_.mailbox.bytes});
  const int fd = descriptor();
  const std::uint64_t reserved = control().worker.heap_reserved.load(std::memory_order_relaxed);
  control().journal.generation.fetch_add(1, std::memory_order_seq_cst);
  control().journal.sequence.store(0, std::memory_order_seq_cst);
  // What was taken for the higher limit goes back, so that the same can be tried again.
  const auto give_up = [&](Failure failure) -> Result<void> {
    [[maybe_unused]] const auto ignored = resize(plan_.total_bytes);
    release_beyond(fd, plan_, reserved);
    return failure;
  };
  if (const auto sized = resize(larger.total_bytes); !sized) return give_up(sized.error());
  if (const auto kept = reserve_heap_pages(fd, id_, larger, 0, reserved); !kept)
    return give_up(kept.error());
  if (const auto kept = reserve(fd, id_, journal_set_aside(larger)); !kept)
    return give_up(kept.error());
  Header& h = header();
  const std::uint64_t next = 1 - h.current.load(std::memory_order_relaxed);
  h.plans[next] = larger;
  h.current.store(next, std::memory_order_seq_cst);
  // The old journal is heap now, and not reserved: it need not hold memory. If this is not reached
  // it does, and is used when the heap grows.
  release_beyond(fd, larger, reserved);
  return attach(View::kWhole);
}

Result<void> Segment::map(std::uint64_t bytes) {
  try {
    region_ = bip::mapped_region{object_, mode_, 0, bytes};
    return {};
  } catch (const bip::interprocess_exception& e) {
    return system_failure("cannot map " + mib(bytes) + " of segment " + id_.path(),
                          e.get_native_error());
  }
}

Result<bip::mapped_region> Segment::map_heap_privately(std::uint64_t bytes) const {
  try {
    const auto offset = static_cast<bip::offset_t>(plan_.heap.offset);
    bip::mapped_region region{object_, bip::copy_on_write, offset, bytes, nullptr, MAP_NORESERVE};
    if (::madvise(region.get_address(), bytes, MADV_DONTDUMP) != 0)
      return system_failure("cannot keep segment " + id_.path() + " out of core dumps", errno);
    return region;
  } catch (const bip::interprocess_exception& e) {
    return system_failure("cannot map " + mib(bytes) + " of segment " + id_.path(),
                          e.get_native_error());
  }
}

bool Segment::has_this_plan() const {
  const std::uint64_t current = header().current.load(std::memory_order_acquire);
  if (current > 1) return false;
  const Plan found = header().plans[current];
  return std::memcmp(&found, &plan_, sizeof found) == 0;
}

// Maps what the view shows and believes the header only after having checked a copy of it.
Result<void> Segment::attach(View view) {
  const auto refuse = [&](const std::string& why) -> Result<void> {
    return Failure{"segment " + id_.path() + " " + why + "; " + start_over(id_), 0};
  };
  struct stat facts {};
  if (::fstat(descriptor(), &facts) != 0)
    return system_failure("cannot look at " + id_.path(), errno);
  const auto file_bytes = static_cast<std::uint64_t>(facts.st_size);
  if (file_bytes < kRingsOffset) return refuse("is too short to be one of ours");
  if (const auto mapped = map(kPageBytes); !mapped) return mapped;

  if (header().magic.load(std::memory_order_acquire) != kMagic)
    return refuse("was not made by peeper");
  if (header().layout_version != kLayoutVersion)
    return refuse("has layout version " + std::to_string(header().layout_version) +
                  ", this peeper knows version " + std::to_string(kLayoutVersion) +
                  ": use the peeper that made it");
  const std::uint64_t current = header().current.load(std::memory_order_acquire);
  if (current > 1) return refuse("has a damaged header");
  const Plan found = header().plans[current];
  const std::optional<Plan> sound = sound_plan(found);
  // The file is longer where a larger heap was planned and never came true.
  if (!sound || sound->total_bytes > file_bytes) return refuse("has a damaged header");
  const Plan& p = *sound;

  if (const auto mapped = map(view == View::kRings ? p.heap.offset : p.total_bytes); !mapped)
    return mapped;
  plan_ = p;
  mailbox_ = {at<std::byte>(p.mailbox.offset), p.mailbox.bytes};
  replies_ = {at<std::byte>(p.replies.offset), p.replies.bytes};
  outbox_ = {at<std::byte>(p.outbox.offset), p.outbox.bytes};
  letters_ = {at<std::byte>(p.letters.offset), p.letters.bytes};
  if (view != View::kRings) {
    heap_ = {at<std::byte>(p.heap.offset), p.heap.bytes};
    journal_index_ = {at<std::uint32_t>(p.journal_index.offset), p.heap.bytes / kPageBytes};
    page_writers_ = {at<Atomic64>(p.page_writers.offset), p.heap.bytes / kPageBytes};
    block_writers_ = {at<Atomic64>(p.block_writers.offset), blocks_of(p.heap.bytes)};
    journal_pages_ = at<std::byte>(p.journal_pages.offset);
  }
  return kept_private_ ? keep_mapping_private() : Result<void>{};
}

std::optional<Failure> Segment::mismatch(const Wanted& wanted) const {
  const Header& h = header();
  const auto differs = [&](const char* what, const std::string& has, const std::string& asks) {
    return Failure{"segment " + id_.path() + " of server '" + id_.server + "' has " + what + " " +
                       has + ", the configuration asks for " + asks +
                       ". Set the configuration back, or, " + start_over(id_),
                   0};
  };
  if (text_of(h.server) != id_.server)
    return differs("the name", "'" + text_of(h.server) + "'", "'" + id_.server + "'");
  if (h.behaviour[0] != '\0' && text_of(h.behaviour) != wanted.behaviour)
    return differs("behaviour", "'" + text_of(h.behaviour) + "'", "'" + wanted.behaviour + "'");
  const Plan asks = plan_for(wanted);
  if (plan_.heap.bytes > asks.heap.bytes)
    return differs("state_size", std::to_string(plan_.heap.bytes),
                   std::to_string(asks.heap.bytes));
  if (plan_.mailbox.bytes != asks.mailbox.bytes)
    return differs("mailbox", std::to_string(plan_.mailbox.bytes),
                   std::to_string(asks.mailbox.bytes));
  return std::nullopt;
}

Result<void> Segment::reserve_heap(std::uint64_t bytes) {
  const std::uint64_t reserved = control().worker.heap_reserved.load(std::memory_order_relaxed);
  if (bytes <= reserved) return {};
  bip::shared_memory_object again;
  if (descriptor() < 0) {
    try {
      again = bip::shared_memory_object{bip::open_only, id_.name().c_str(), bip::read_write};
    } catch (const bip::interprocess_exception& e) {
      return system_failure("cannot open segment " + id_.path(), e.get_native_error());
    }
    struct stat facts {};
    if (::fstat(again.get_mapping_handle().handle, &facts) != 0 || facts.st_ino != inode_)
      return Failure{"segment " + id_.path() + " was removed while in use", ENOENT};
  }
  const int fd = descriptor() < 0 ? again.get_mapping_handle().handle : descriptor();
  if (const auto kept = reserve_heap_pages(fd, id_, plan_, reserved, bytes); !kept) {
    // The parts before the one that failed.
    release_beyond(fd, plan_, reserved);
    return kept;
  }
  if (kept_private_ == CoreDump::kWithState) dump_reserved(reserved, bytes);
  control().worker.heap_reserved.store(bytes, std::memory_order_release);
  return {};
}

std::optional<std::uint64_t> next_heap_size(std::uint64_t reserved, std::uint64_t needed,
                                            std::uint64_t limit) {
  if (needed > limit) return std::nullopt;
  std::uint64_t size = std::max(reserved, kFirstHeapBytes);
  while (size < needed)
    size += std::clamp(page_up(size / 8), kFirstHeapBytes, kMostHeapStep);
  return std::min(size, limit);
}

bool remove_segment(const SegmentId& id) {
  return bip::shared_memory_object::remove(id.name().c_str());
}

}  // namespace peeper::segment
