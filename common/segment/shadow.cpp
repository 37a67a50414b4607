#include "common/segment/shadow.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "common/segment/memory.hpp"
#include "common/segment/plan.hpp"

namespace peeper::segment {
namespace {

// Rounds without a gap before who asked is told so: some milliseconds of a busy processor.
constexpr int kRounds = 500;

}  // namespace

// A private mapping of nothing: pages that are never copied take no memory.
Result<void> Shadow::make_room() {
  if (copy_.data() != nullptr) return {};
  const std::size_t bytes = segment_.heap().size();
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED)
    return system_failure("no memory for a copy of " + mib(bytes) + " of segment " +
                              segment_.id().path(),
                          errno);
  ::madvise(memory, bytes, MADV_DONTDUMP);
  copy_ = {static_cast<std::byte*>(memory), bytes};
  is_distrusted_.resize(bytes / kPageBytes);
  return {};
}

Shadow::~Shadow() {
  if (copy_.data() != nullptr) ::munmap(copy_.data(), copy_.size());
}

Result<void> Shadow::refresh(Clock::time_point until) {
  if (const auto room = make_room(); !room) return room;
  for (int round = 0; round < kRounds; ++round) {
    const Result<bool> is_whole = copy_once();
    if (!is_whole) return is_whole.error();
    if (*is_whole) return {};
    if (Clock::now() >= until) break;
  }
  return moved(segment_);
}

// What it copies of a page may be half of a message's, which is undone or committed later: either
// signs that page with a number beyond the mark's, so that a later round finds it. But what it puts
// back is distrusted until the mark has been found again: entries of the journal may have been
// written over meanwhile, and no signature tells of that.
Result<bool> Shadow::copy_once() {
  const CommitMark mark = look_at_commit(segment_);
  const auto holds = [&] { return look_at_commit(segment_) == mark; };
  if (const auto checked = check_commit(segment_, mark); !checked) {
    if (holds()) return checked.error();
    return false;
  }
  const auto bytes = heap_with_memory(segment_);
  if (!bytes) return bytes.error();
  // Memory that is new to us may have been written before we looked at who wrote it.
  for (std::uint64_t page = bytes_ / kPageBytes; page < *bytes / kPageBytes; ++page)
    distrust(page);
  bytes_ = *bytes;
  find_written();
  for (const std::uint64_t page : distrusted_) copy_page(page);
  base_ = mark.committed;
  trust_all();
  const auto put = put_back(segment_, mark, copy_.first(bytes_),
                            [this](std::uint64_t page) { distrust(page); });
  if (!holds()) return false;
  if (!put) return put.error();
  trust_all();
  return true;
}

// A signature beyond the next commit's is none: nobody has written there since the journal was
// moved over something else. The next commit's as of when it is seen: one that is passed over as
// too new would hide older ones, of the same block's other pages.
void Shadow::find_written() {
  const Atomic64& committed = segment_.control().committed;
  const auto is_news = [&](const Atomic64& writer) {
    const std::uint64_t sequence = writer.load(std::memory_order_acquire);
    return sequence > base_ && sequence <= committed.load(std::memory_order_acquire) + 1;
  };
  const std::uint64_t pages = bytes_ / kPageBytes;
  for (std::uint64_t block = 0; block < blocks_of(bytes_); ++block) {
    if (!is_news(segment_.block_writers()[block])) continue;
    const std::uint64_t end = std::min<std::uint64_t>((block + 1) * kBlockPages, pages);
    for (std::uint64_t page = block * kBlockPages; page < end; ++page)
      if (is_news(segment_.page_writers()[page])) distrust(page);
  }
}

void Shadow::copy_page(std::uint64_t page) {
  std::memcpy(copy_.data() + page * kPageBytes, segment_.heap().data() + page * kPageBytes,
              kPageBytes);
}

void Shadow::distrust(std::uint64_t page) {
  if (is_distrusted_[page]) return;
  is_distrusted_[page] = true;
  distrusted_.push_back(page);
}

void Shadow::trust_all() {
  for (const std::uint64_t page : distrusted_) is_distrusted_[page] = false;
  distrusted_.clear();
}

}  // namespace peeper::segment
